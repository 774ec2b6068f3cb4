"""A server that answers byte by byte, as a script says; what it was sent is remembered."""

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final

import msgspec

LONGEST: Final = 20
"""Seconds that a connection may wait for its peer."""
_TLS: Final = b"\x16"
"""The first byte of a handshake. Source: RFC 8446 §5.1."""


class Seen(msgspec.Struct):
    """A connection, and the request that came over it, if any did."""

    target: str = ""
    host: str = ""
    text: str = ""
    """The whole request, head and content: for looking whether it holds a secret."""
    is_tls: bool = False
    sent: int = 0
    """Bytes that it took of an answer without end."""


Answer = Callable[[socket.socket, Seen], None]
"""Writes whatever it likes."""
Script = dict[str, Any]
"""What the runner says that the next answers are; "certificate" in it is shown instead."""


class Wire:
    """Listens on loopback; every connection is noted, whether it says anything or not.

    The runner reads what was seen at "/_seen/<token>" and hands in a script at "/_script/<token>".

    Args:
        port: On 127.0.0.1.
        answer: What it does with a request.
        token: Known to the runner alone.
        certificate: The PEM file that it shows to who begins with TLS; without one it hangs up.
    """

    def __init__(
        self, port: int, answer: Answer, *, token: str, certificate: Path | None = None
    ) -> None:
        self._certificate = certificate
        self.script: Script = {}
        self._answer = answer
        self._token = token
        self._seen: list[Seen] = []
        self._lock = Lock()
        self._listening = socket.create_server(("127.0.0.1", port), backlog=256)

    def serve(self) -> None:
        """Serve until the process ends."""
        while True:
            connection, _ = self._listening.accept()
            seen = Seen()
            # Noted before anything is read: to have been connected to is to have been hit.
            with self._lock:
                self._seen.append(seen)
            Thread(target=self._talk, args=(connection, seen), daemon=True).start()

    def _talk(self, connection: socket.socket, seen: Seen) -> None:
        try:
            connection.settimeout(LONGEST)
            if connection.recv(1, socket.MSG_PEEK) == _TLS:
                seen.is_tls = True
                connection = self._wrapped(connection)
            self._read(connection, seen)
            if not self._is_of_the_runner(connection, seen):
                self._answer(connection, seen)
        except (OSError, ValueError):
            return
        finally:
            connection.close()

    def _wrapped(self, connection: socket.socket) -> ssl.SSLSocket:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate = self.script.get("certificate") or self._certificate
        if certificate is None:
            raise ConnectionError("nothing here speaks TLS")
        context.load_cert_chain(certificate)
        return context.wrap_socket(connection, server_side=True)

    def _read(self, connection: socket.socket, seen: Seen) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += _some(connection)
        head, _, content = raw.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines[1:])
        }
        while len(content) < int(fields.get("content-length", "0")):
            content += _some(connection)
        seen.target = lines[0].split(" ")[1]
        seen.host = fields.get("host", "")
        seen.text = head.decode("latin-1") + "\n\n" + content.decode("latin-1")

    def _is_of_the_runner(self, connection: socket.socket, seen: Seen) -> bool:
        if seen.target not in (f"/_seen/{self._token}", f"/_script/{self._token}"):
            return False
        with self._lock:
            self._seen = [one for one in self._seen if one is not seen]
            found = self._seen
            if seen.target.startswith("/_seen"):
                self._seen = []
        if seen.target.startswith("/_script"):
            self.script = json.loads(seen.text.partition("\n\n")[2].encode("latin-1"))
        connection.sendall(reply(msgspec.json.encode(found)))
        return True


def reply(
    content: bytes = b"", status: int = 200, *, fields: Mapping[str, str] | None = None
) -> bytes:
    """Return an answer: html, with its length, the last one on its connection.

    Args:
        content: What it holds.
        status: Of RFC 9110 §15.
        fields: Further header fields, or others in the place of those.
    """
    told = {
        "Content-Type": "text/html",
        "Content-Length": str(len(content)),
        "Connection": "close",
        **(fields or {}),
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + content


def pour(connection: socket.socket, seen: Seen, piece: bytes, *, times: int) -> None:
    """Send a piece again and again, and count what was taken."""
    for _ in range(times):
        connection.sendall(piece)
        seen.sent += len(piece)


def _some(connection: socket.socket) -> bytes:
    found = connection.recv(65_536)
    if not found:
        raise ConnectionError("the peer went away")
    return found
