"""What we sign arrives as it was signed, by whichever client it is sent."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from pratique import Claim, Fields
from pratique.core.claim import Via
from pratique.core.proofs.authentic.rfc9421 import (
    RequestMessage,
    request_of,
    sign_request,
    verify_request,
)
from tests.core.proofs.authentic.rfc9421.parties import AT, OURS, policy

CONTENT = b'{"amount": 12}'


class Inbox(BaseHTTPRequestHandler):
    claims: list[Claim]

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        fields = Fields(self.headers.items())
        self.claims.append(Claim(content, fields, AT, Via(method="POST", target=self.path)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[Claim]]]:
    """Give a server that keeps what it is sent: its origin, and the claims."""
    claims: list[Claim] = []
    handler = type("Kept", (Inbox,), {"claims": claims})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", claims
    server.shutdown()
    server.server_close()


async def test_three_clients_send_what_was_signed(inbox: tuple[str, list[Claim]]) -> None:
    """The lines of the docstring of `sign_request`; a path and a query that are quoted already."""
    origin, claims = inbox
    request = RequestMessage(
        "POST",
        f"{origin}/orders/a%20b/~c?q=x+y&z=%C3%A9&empty=",
        Fields([("Content-Type", "application/json")]),
        CONTENT,
    )
    components = ("@method", "@target-uri", "content-digest", "content-type")
    fields = sign_request(request, key=OURS, at=AT, components=components)
    named: Any = list(fields)
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.post(request.url, content=request.content, headers=named)
    with requests.Session() as plain:
        plain.trust_env = False
        plain.post(request.url, data=request.content, headers=dict(fields), timeout=5)
    async with (
        aiohttp.ClientSession() as session,
        session.post(request.url, data=request.content, headers=named) as answer,
    ):
        assert answer.status == 204
    assert len(claims) == 3
    for claim in claims:
        received = request_of(claim, origin=origin)
        assert verify_request(received, policy(components=components), at=AT).keyid == "k"
