"""Starts the demonstration's processes on loopback, waits until they answer, and ends them."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

READY_SECONDS = 30


class Processes:
    """A context in which processes run; whatever happens they end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, kind: str, secret: str, provider: str, *, database: str) -> str | None:
        """Start one; return its URL, or None where it refused to start."""
        port = _free_port()
        path = str(self.folder / database)
        process = subprocess.Popen(
            [sys.executable, "-m", "pratique.demo.serve", kind, str(port), path, provider],
            env={**os.environ, "DEMO_SECRET": secret},
            stderr=subprocess.DEVNULL,
        )
        self._running.append(process)
        url = f"http://127.0.0.1:{port}"
        end = time.monotonic() + READY_SECONDS
        while time.monotonic() < end and process.poll() is None:
            try:
                httpx.get(f"{url}/_ready", trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return url
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
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
