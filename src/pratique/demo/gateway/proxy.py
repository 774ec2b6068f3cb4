"""The gateway: a reverse proxy that does what nginx does where it is told what the preset says.

It appends its peer to X-Forwarded-For, overwrites X-Forwarded-Proto and the country, and passes
every other field on as it came, `Host` included. Two rules of its own: nobody gets through
to /internal, and no DELETE.
"""

import ssl
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

from .shop import COUNTRY, SOLD_IN

HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "te", "transfer-encoding", "upgrade"})
OVERWRITTEN: Final = frozenset({"x-forwarded-for", "x-forwarded-proto", COUNTRY.lower()})
PATIENCE: Final = 10
"""Seconds."""
LONGEST: Final = 65_537
"""Bytes of a request line, as `http.server` has it."""
Field = tuple[str, str]
AT_HOME: Final = ("127.0.10.", "127.0.20.")
"""Where the gateway's own register of addresses says that the country is ours."""


def serve(port: int, *, tls_port: int, behind: int, certificate: Path) -> None:
    """Serve http at one port and https at the other, until the process ends.

    Args:
        port: On 127.0.0.1.
        tls_port: Likewise.
        behind: The API's.
        certificate: PEM, with its key.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    safe = ThreadingHTTPServer(("127.0.0.1", tls_port), handler(behind, "https"))
    safe.socket = context.wrap_socket(safe.socket, server_side=True)
    Thread(target=safe.serve_forever, daemon=True).start()
    ThreadingHTTPServer(("127.0.0.1", port), handler(behind, "http")).serve_forever()


def handler(behind: int, scheme: str) -> type[BaseHTTPRequestHandler]:
    """Return what handles the requests of one door.

    Args:
        behind: The API's port.
        scheme: By which clients come through this door.
    """
    return type("Handler", (_Handler,), {"behind": behind, "scheme": scheme})


class _Handler(BaseHTTPRequestHandler):
    """Passes one request on, whatever its method; the connection ends with it."""

    behind: int
    scheme: str

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(LONGEST)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        self.close_connection = True
        if self.command == "DELETE" or self.path.startswith("/internal"):
            self._answer(HTTPStatus.FORBIDDEN, [], b"not through this gateway")
        else:
            self._answer(*self._asked())

    def log_message(self, format: str, *_: Any) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[int, list[Field], bytes]:
        content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        api = HTTPConnection("127.0.0.1", self.behind, timeout=PATIENCE)
        api.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self._fields():
            api.putheader(name, value.encode("latin-1"))
        api.endheaders(content or None)
        answer = api.getresponse()
        found = answer.read()
        api.close()
        return answer.status, answer.getheaders(), found

    def _fields(self) -> list[Field]:
        client = str(self.client_address[0])
        dropped = HOP_BY_HOP | OVERWRITTEN
        told = [*self.headers.get_all("X-Forwarded-For", []), client]
        country = SOLD_IN if client.startswith(AT_HOME) else "XX"
        return [
            *((name, v) for name, v in self.headers.items() if name.lower() not in dropped),
            ("X-Forwarded-For", ", ".join(told)),
            ("X-Forwarded-Proto", self.scheme),
            (COUNTRY, country),
            ("Connection", "close"),
        ]

    def _answer(self, status: int, fields: list[Field], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in fields:
            if name.lower() not in HOP_BY_HOP | {"content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
