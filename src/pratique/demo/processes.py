"""Starts the demonstration's processes on loopback, waits until they answer, and ends them."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

READY_SECONDS = 30
END_SECONDS = 3
PAUSE = 0.02
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Processes:
    """A context in which processes run; whatever happens they end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self._given: set[int] = set()
        self._lock = Lock()

    def port(self) -> int:
        """Return a port that is free, and given to nobody else here."""
        with self._lock:
            while True:
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", 0))
                    port: int = probe.getsockname()[1]
                if port not in self._given:
                    self._given.add(port)
                    return port

    def start(
        self,
        scenario: str,
        kind: str,
        settings: Mapping[str, Any],
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str | None:
        """Start one; return its URL, or None where it refused to start.

        Args:
            scenario: Its folder's name.
            kind: Which of the scenario's parties.
            settings: What it is told, secrets included: in its environment, not in its arguments.
            port: By default any that is free.
            environment: Beside ours, from which proxies are left out.
        """
        port = port or self.port()
        inherited = {k: v for k, v in os.environ.items() if k.lower() not in _PROXIES}
        process = subprocess.Popen(
            [sys.executable, "-m", "pratique.demo.serve", scenario, kind, str(port)],
            env={**inherited, **(environment or {}), "DEMO_SETTINGS": json.dumps(settings)},
            stderr=subprocess.DEVNULL,
        )
        self._running.append(process)
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            if listens(port):
                return f"http://127.0.0.1:{port}"
            time.sleep(PAUSE)
        return None

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process."""
        for process in self._running:
            process.terminate()
        for process in self._running:
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def listens(port: int) -> bool:
    """Say whether somebody listens on a port of loopback.

    A connection to a free port may be given that very port as its own, and is then one to itself
    (RFC 9293 §3.5, simultaneous open): whoever asks often enough would take it for the server.
    """
    try:
        with socket.create_connection(("127.0.0.1", port)) as found:
            return bool(found.getsockname() != found.getpeername())
    except OSError:
        return False
