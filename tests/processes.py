"""Servers on real sockets of loopback, waited for and ended: as processes, and uvicorn on a thread."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until it is so."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def listens(port: int) -> bool:
    """Say whether somebody listens there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def by_process(command: list[str], port: int, log: Path) -> Iterator[bool]:
    """Serve by a process of Python; say whether it listens."""
    with by_command([sys.executable, "-m", *command], port, log) as is_there:
        yield is_there


@contextlib.contextmanager
def by_command(command: list[str], port: int, log: Path) -> Iterator[bool]:
    """Serve by any process; say whether it listens."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"},
        )
    try:
        wait_for(lambda: listens(port) or process.poll() is not None)
        yield process.poll() is None
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def by_uvicorn(app: Any, **settings: Any) -> Iterator[int]:
    """Serve an application by uvicorn on a thread; give the port, 0 where it refuses to start."""
    config = uvicorn.Config(app, port=0, log_level="critical", ws="none", **settings)
    server = uvicorn.Server(config)

    def run() -> None:
        with contextlib.suppress(SystemExit):  # a start that is refused ends the process
            server.run()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: server.started or not thread.is_alive())
        yield server.servers[0].sockets[0].getsockname()[1] if server.started else 0
    finally:
        server.should_exit = True
        thread.join()
