"""What must never be hit: it plays the internal service, the metadata endpoint and the proxy."""

import socket

from pratique.demo.wire import Answer, Seen, reply


def canary(marker: str) -> Answer:
    """Return the answer of the canary: its secret, to whoever comes."""

    def answer(connection: socket.socket, _: Seen) -> None:
        connection.sendall(reply(f"<title>{marker}</title>".encode()))

    return answer
