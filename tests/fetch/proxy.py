"""A CONNECT proxy on loopback: notes what it was asked, and leads where the test says."""

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    """Answers each CONNECT by the script, then tunnels."""

    def __init__(self, leads_to: Callable[[], int]) -> None:
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.answer = OPEN
        self.hangs = False
        self._leads_to = leads_to
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode("latin-1"))
            self.asked.append(head.split(b" ")[1].decode())
            if self.hangs:
                connection.recv(1)
                return
            connection.sendall(self.answer)
            if not self.answer.startswith(b"HTTP/1.1 200"):
                return
            with socket.socket() as other:
                other.connect(("127.0.0.1", self._leads_to()))
                Thread(target=pump, args=(other, connection), daemon=True).start()
                pump(connection, other)

    def close(self) -> None:
        """Stop."""
        self._socket.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes until one side ends."""
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
