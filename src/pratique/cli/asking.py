"""Sends the requests of the check, byte for byte what they are: two lines of Host, two lengths."""

import json
import ssl
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, Final, cast
from urllib.parse import SplitResult

from pratique.forwarded import Origin
from pratique.forwarded.probes import PATH, TOKEN_FIELD, Answered, Probe

SECONDS: Final = 10
"""For one answer."""
MAX_CONTENT: Final = 65536
FOUND: Final = 200


class Asking:
    """Sends one request after another, each on a connection of its own.

    Args:
        place: Where to.
        host: What is sent as `Host`.
        token: That the deployment holds too.
        source: Address to connect from; "" for the system's choice.
        cafile: "" for the system's authorities.
    """

    def __init__(
        self, place: SplitResult, host: str, token: str, *, source: str = "", cafile: str = ""
    ) -> None:
        self.place, self.host = place, host
        self._token = token
        self._options: dict[str, Any] = {"timeout": SECONDS}
        if source:
            self._options["source_address"] = (source, 0)
        if place.scheme == "https":
            self._options["context"] = ssl.create_default_context(cafile=cafile or None)

    def send(self, probe: Probe) -> Answered:
        """Send one probe; return what came back.

        Raises:
            OSError: nobody is there, or says nothing in time.
        """
        status, _, content = self.exchange(probe)
        return answered_of(status, content)

    def exchange(self, probe: Probe) -> tuple[int, Message, bytes]:
        """Send one probe; return status, fields and content, as they came.

        Raises:
            OSError: nobody is there, or says nothing in time.
        """
        kind = HTTPSConnection if self.place.scheme == "https" else HTTPConnection
        connection = kind(self.place.hostname or "", self.place.port, **self._options)
        method = "POST" if probe.content else "GET"
        path = self.place.path.rstrip("/") + PATH
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for line in probe.hosts or (self.host,):
                connection.putheader("Host", line)
            for name, value in (*probe.fields, (TOKEN_FIELD, self._token)):
                connection.putheader(name, value)
            if not any(name == "Connection" for name, _ in probe.fields):
                connection.putheader("Connection", "close")
            connection.endheaders(probe.content or None)
            response = connection.getresponse()
            return response.status, response.headers, response.read(MAX_CONTENT)
        except (HTTPException, ConnectionResetError, BrokenPipeError):
            return 0, Message(), b""  # it hung up, which is a refusal
        finally:
            connection.close()


def answered_of(status: int, content: bytes) -> Answered:
    """Return what an answer says of the check."""
    try:
        told = json.loads(content)
    except ValueError:
        return Answered(status)
    if not isinstance(told, dict):
        return Answered(status)
    members = cast("dict[str, Any]", told)
    if status != FOUND:
        return Answered(status, None, word(members.get("code", "")))
    try:
        origin = Origin(*(str(members[name]) for name in ("client", "scheme", "host")))
    except KeyError:
        return Answered(status)
    return Answered(status, origin)


def word(value: object) -> str:
    """Return a value of the answer in printable ASCII, and not more than 64 characters."""
    text = str(value)
    return text[:64] if text.isascii() and text.isprintable() else ascii(text)[:64]
