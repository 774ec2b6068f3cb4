"""A PostgreSQL behind a proxy of ours, which falls silent or cuts where a test says."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from threading import Event, Thread

Decide = Callable[[bytes], str]


class Proxy:
    """Carries bytes both ways.

    Args:
        target: The server's Unix socket.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.decide: Decide = lambda _: "carry"
        """(what a client sends) -> "carry", "swallow", "cut", "carry and cut", "carry and hush"."""
        self.heard = Event()
        """Set where something else than "carry" was decided."""
        self._open: list[socket.socket] = []
        Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End every connection."""
        for each in (self._listening, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._target)
                self._open += [client, server]
                hushed = Event()
                Thread(target=self._up, args=(client, server, hushed), daemon=True).start()
                Thread(target=self._down, args=(server, client, hushed), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, hushed: Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                decided = self.decide(data)
                if "hush" in decided or "and cut" in decided:
                    hushed.set()
                if "carry" in decided:
                    server.sendall(data)
                if "cut" in decided:
                    client.shutdown(socket.SHUT_RDWR)
                if decided != "carry":
                    self.heard.set()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    @staticmethod
    def _down(server: socket.socket, client: socket.socket, hushed: Event) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if not hushed.is_set():
                    client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def before(target: str) -> Iterator[Proxy]:
    """Stand before a server."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
