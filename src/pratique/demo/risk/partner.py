"""The partner's API, honest or hostile by script; and the canary that it may point to."""

import socket
import time

from pratique.demo.wire import Answer, Script, Seen, pour, reply

PIECE = b" " * (1 << 16)
POURED = 1024
"""Pieces of an answer without end: 64 MB."""
STALL = 10.0
"""Seconds."""
DRIPS = 200
PAUSE = 0.1
"""Seconds between two drips."""


def answer(connection: socket.socket, seen: Seen, script: Script) -> None:
    """Answer by the script: its content, at once or by a trick."""
    trick, content = script.get("trick"), script["content"].encode("latin-1")
    fields = {"Content-Type": "application/json", **script.get("fields", {})}
    if trick == "hang_up":
        return
    if trick == "stall":
        time.sleep(STALL)
    if trick == "drip":
        _drip(connection, content, fields)
        return
    if trick == "big":
        # White space before an object is JSON, and the object is what was asked for.
        length = len(PIECE) * POURED + len(content)
        connection.sendall(reply(fields={**fields, "Content-Length": str(length)}))
        pour(connection, seen, PIECE, times=POURED)
        connection.sendall(content)
        return
    connection.sendall(reply(content, script.get("status", 200), fields=fields))


def _drip(connection: socket.socket, content: bytes, fields: dict[str, str]) -> None:
    length = len(content) + DRIPS
    connection.sendall(reply(fields={**fields, "Content-Length": str(length)}))
    for _ in range(DRIPS):
        connection.sendall(b" ")
        time.sleep(PAUSE)
    connection.sendall(content)


def canary(content: str) -> Answer:
    """Return the answer of what must never be asked: it approves of everything."""

    def approve(connection: socket.socket, _: Seen) -> None:
        connection.sendall(reply(content.encode(), fields={"Content-Type": "application/json"}))

    return approve
