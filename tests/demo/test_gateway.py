"""The demonstration's gateway does what the preset says of nginx, and what else comes it passes on."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from pratique.demo.gateway.proxy import handler
from pratique.demo.gateway.target import Effects


class Echo(BaseHTTPRequestHandler):
    """Answers with the fields that came, one a line."""

    def do_GET(self) -> None:
        content = "\n".join(f"{name}: {value}" for name, value in self.headers.items()).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def gateway() -> Iterator[str]:
    """Serve it before an API that tells what it was told."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as api:
        made = handler(api.server_port, "http")
        with ThreadingHTTPServer(("127.0.0.1", 0), made) as server:
            for each in (api, server):
                threading.Thread(target=each.serve_forever, daemon=True).start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            api.shutdown()


def told(gateway: str, path: str = "/", **fields: str) -> list[str]:
    """Send fields through it, and return the lines that the API got."""
    sent = {name.replace("_", "-"): value for name, value in fields.items()}
    return httpx.get(gateway + path, headers=sent, trust_env=False).text.splitlines()


def test_it_appends_to_one_field_and_overwrites_two(gateway: str) -> None:
    """What a client writes of scheme and country is gone; of its addresses the last is the gateway's."""
    lines = told(gateway, X_Forwarded_For="6.6.6.6", X_Forwarded_Proto="https", CF_IPCountry="CH")
    assert "X-Forwarded-For: 6.6.6.6, 127.0.0.1" in lines
    assert "X-Forwarded-Proto: http" in lines
    assert "CF-IPCountry: XX" in lines


def test_it_passes_every_other_field_on(gateway: str) -> None:
    """The attack isn't stopped before the API: Host and the other fields arrive as they were sent."""
    lines = told(gateway, Host="evil.test", X_Forwarded_Host="evil.test", X_Real_IP="6.6.6.6")
    assert {"host: evil.test", "x-forwarded-host: evil.test", "x-real-ip: 6.6.6.6"} <= {
        line.lower() for line in lines
    }


def test_it_lets_nobody_through_to_what_is_internal(gateway: str) -> None:
    """Its own two rules, which a path or a method in a field is to get around."""
    assert told(gateway, "/internal/dump") == ["not through this gateway"]
    assert httpx.delete(f"{gateway}/notes/n1", trust_env=False).status_code == 403


def test_what_nobody_answered_has_failed() -> None:
    """A row in which nothing arrived proves nothing; its twin was answered."""
    assert Effects().has_failed
    assert Effects([httpx.Response(500)]).has_failed
    assert not Effects([httpx.Response(403)]).has_failed
    assert Effects([httpx.Response(403)], unanswered=1).has_failed
