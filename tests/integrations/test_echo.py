"""What answers `pratique forwarded check`: for whoever holds the token, what is proven, and no more."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pratique import unsafe
from pratique.core.refusal import BoundaryError
from pratique.forwarded import ProxyPolicy
from pratique.forwarded.probes import PATH, TOKEN_FIELD, TOKEN_VARIABLE
from pratique.integrations import flask as flask_door
from pratique.integrations import starlette as asgi_door
from pratique.integrations import wsgi as wsgi_door
from tests.forwarded.doors import NOW, over_wsgi, perimeter_of, told_by_wsgi

TOKEN = "k3y-" * 8
HOST, CLIENT, PROXY = "api.example.com", "93.184.216.34", "10.0.0.1"
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8",), header="x-forwarded-for", proto="x-forwarded-proto", hosts=(HOST,)
)
FIELDS = {"X-Forwarded-For": f"127.0.0.1, {CLIENT}", "X-Forwarded-Proto": "https"}
PROVEN = {"client": CLIENT, "scheme": "https", "host": HOST}
Ask = Callable[..., tuple[int, Any]]


def by_asgi(path: str = PATH, token: str = TOKEN, **declared: Any) -> tuple[int, Any]:
    """Ask an application of Starlette without any route."""
    app = asgi_door.guard(Starlette(), perimeter_of(POLICY, **declared))
    fields = {**FIELDS, TOKEN_FIELD: token}
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
    with TestClient(app, f"http://{HOST}", client=(PROXY, 1)) as client:
        answer = client.get(path, headers=headers)
    return answer.status_code, answer.json() if answer.text.startswith("{") else answer.text


def by_wsgi(path: str = PATH, token: str = TOKEN, **declared: Any) -> tuple[int, Any]:
    """Ask a WSGI application, which answers everything with 200."""
    app = wsgi_door.guard(told_by_wsgi, perimeter_of(POLICY, **declared))
    lines = [("Host", HOST), *FIELDS.items(), (TOKEN_FIELD, token)]
    return over_wsgi(app, PROXY, lines, PATH_INFO=path)


def by_flask(path: str = PATH, token: str = TOKEN, **declared: Any) -> tuple[int, Any]:
    """Ask an application of Flask without any route."""
    app = Flask(__name__)
    flask_door.Pratique(perimeter_of(POLICY, **declared)).init_app(app)
    own = {"REMOTE_ADDR": PROXY, "SERVER_SOFTWARE": "gunicorn/27"}
    headers = FIELDS | {TOKEN_FIELD: token}
    answer = app.test_client().get(
        path, base_url=f"http://{HOST}", headers=headers, environ_overrides=own
    )
    return answer.status_code, answer.json if answer.is_json else answer.text


@pytest.fixture(params=[by_asgi, by_wsgi, by_flask])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Give each door."""
    found: Ask = request.param
    return found


def test_the_holder_of_the_token_is_told_what_is_proven(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client, scheme and host, at the path and below a prefix; nothing that came is repeated."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert ask() == (200, PROVEN)
    assert ask(f"/api{PATH}") == (200, PROVEN)


@pytest.mark.parametrize("token", ["", TOKEN[:-1], f"{TOKEN}x", "x" * 32, "\xff" * 32])
def test_another_token_finds_nothing(ask: Ask, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """404, and nothing that is proven."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert ask(token=token) == (404, {"title": "Not found", "status": 404})


def test_without_a_token_in_the_environment_there_is_no_check(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path is the application's own, whatever the request carries."""
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    status, told = ask()
    assert status == 404 or "fields" in told
    assert told != PROVEN


@pytest.mark.parametrize("token", ["x" * 31, "x" * 257, "x y" * 20, "\xe9" * 40])
def test_what_is_no_token_does_not_start(
    ask: Ask, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short enough to be guessed, or no text of a field; the twin has 32 characters."""
    monkeypatch.setenv(TOKEN_VARIABLE, token)
    with pytest.raises(BoundaryError, match=TOKEN_VARIABLE) as wrong:
        ask()
    assert token not in str(wrong.value)


def test_what_only_observes_proves_nothing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty object: the boundary is there, and nothing is proven."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    observe = unsafe.observe(until=NOW.date() + timedelta(days=1), reason="look first", owner="ops")
    assert ask(observe=observe) == (200, {})


def test_any_other_path_is_the_applications(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token too."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    status, told = ask(f"{PATH}/more")
    assert status == 404 or "fields" in told
    assert json.dumps(told) != json.dumps(PROVEN)
