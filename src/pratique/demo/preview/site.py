"""The public site behind every public name: honest pages, and every trick that a site can play."""

import gzip
import socket
import time
from collections.abc import Callable
from urllib.parse import unquote

from pratique.demo.wire import Seen, pour, reply

HONEST = "Honest page"
PIECE = 1 << 16
POURED = 1024
"""Pieces of an answer without end: 64 MB."""
DRIPS = 200
PAUSE = 0.1
"""Seconds between two drips."""
BOMB = gzip.compress(b"A" * 60_000_000, 6)
GZIP = {"Content-Encoding": "gzip"}
Trick = Callable[[socket.socket, Seen, str], None]


def site(connection: socket.socket, seen: Seen) -> None:
    """Answer by the first segment of the path; the rest of the target is the trick's own."""
    name, _, rest = seen.target.removeprefix("/").partition("/")
    TRICKS.get(name, _page)(connection, seen, rest)


def _page(connection: socket.socket, _: Seen, __: str) -> None:
    connection.sendall(reply(HONEST.encode(), fields={"Content-Type": "text/html; charset=utf-8"}))


def _packed(connection: socket.socket, _: Seen, __: str) -> None:
    connection.sendall(reply(gzip.compress(HONEST.encode()), fields=GZIP))


def _redirect(connection: socket.socket, seen: Seen, rest: str) -> None:
    """/to/302/3/<URL, quoted>: three hops, the last of them to that URL."""
    status, hops, url = rest.split("/", 2)
    left = int(hops) - 1
    where = f"https://{seen.host}/to/{status}/{left}/{url}" if left else unquote(url)
    connection.sendall(reply(status=int(status), fields={"Location": where}))


def _big(connection: socket.socket, seen: Seen, _: str) -> None:
    connection.sendall(reply(fields={"Content-Length": str(PIECE * POURED)}))
    pour(connection, seen, b"A" * PIECE, times=POURED)


def _bomb(connection: socket.socket, _: Seen, __: str) -> None:
    connection.sendall(reply(BOMB, fields=GZIP))


def _drip(connection: socket.socket, _: Seen, __: str) -> None:
    connection.sendall(reply(fields={"Content-Length": str(DRIPS)}))
    for _count in range(DRIPS):
        connection.sendall(b"A")
        time.sleep(PAUSE)


def _fields(connection: socket.socket, seen: Seen, _: str) -> None:
    """Send header fields without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    line = b"X-Field: " + b"A" * 1000 + b"\r\n"
    pour(connection, seen, line * 64, times=POURED)


def _slow_fields(connection: socket.socket, _: Seen, __: str) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")
    for _count in range(DRIPS):
        connection.sendall(b"X: y\r\n")
        time.sleep(PAUSE)


def _typed(connection: socket.socket, _: Seen, rest: str) -> None:
    """/typed/image/svg+xml: a page that says it is of that type."""
    connection.sendall(reply(b"<script>1</script>", fields={"Content-Type": rest}))


TRICKS: dict[str, Trick] = {
    "packed": _packed,
    "to": _redirect,
    "big": _big,
    "bomb": _bomb,
    "drip": _drip,
    "fields": _fields,
    "slow-fields": _slow_fields,
    "typed": _typed,
}
