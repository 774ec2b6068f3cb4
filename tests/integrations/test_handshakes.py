"""A sender that asks whether the endpoint is ours is answered alike by each door, and signs nothing for others."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Route

from pratique import Fields, Perimeter, Secret, stores, unsafe
from pratique.core.proofs.authentic.hmac import HmacKey
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import endpoint as django_endpoint
from pratique.integrations.fastapi import endpoint, guard
from pratique.integrations.flask import Pratique
from pratique.integrations.flask import endpoint as flask_endpoint
from pratique.integrations.starlette import endpoint as starlette_endpoint
from pratique.integrations.starlette import guard as guard_starlette
from pratique.webhook import Webhook, providers
from tests import django_site
from tests.django_project import Project
from tests.serving import served

django_site.configure()

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
PINS: dict[str, dict[str, Any]] = {
    "braintree": {"public_key": "our_key"},
    "meta": {"verify_token": "what-we-both-know"},
}
SENDERS = ("braintree", "meta", "slack", "twitch", "x-twitter", "zoom")
PATHS = {name: f"/hooks/{name}" for name in SENDERS}


def _perimeter() -> tuple[Perimeter, dict[str, Webhook]]:
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    declared = {}
    for number, name in enumerate(SENDERS):
        scheme = providers.get(name)
        if scheme.source == "unconfirmed":
            scheme = unsafe.unconfirmed(scheme, reason="a test", owner="us", until=date(2027, 1, 1))
        secret = Secret(f"{SECRET}{number}", name=name)
        hook = declared[name] = perimeter.declare(
            Webhook(name, scheme(secrets=secret, **PINS.get(name, {})))
        )
        hook.on(
            "paid",
            content=dict[str, Any],
            confirm=lambda event: event,
            once=lambda event: event.id or "one",
            link=lambda event: event,
            allow=lambda event, row: True,
        )(lambda admitted: None)
    return perimeter, declared


def _fastapi(perimeter: Perimeter, hooks: dict[str, Webhook]) -> Any:
    app = guard(FastAPI(), perimeter)
    for name, hook in hooks.items():
        app.api_route(PATHS[name], methods=["GET", "POST"])(endpoint(hook))
    return app


def _starlette(perimeter: Perimeter, hooks: dict[str, Webhook]) -> Any:
    routes = [
        Route(PATHS[name], starlette_endpoint(hook), methods=["GET", "POST"])
        for name, hook in hooks.items()
    ]
    return guard_starlette(Starlette(routes=routes), perimeter)


def _flask(perimeter: Perimeter, hooks: dict[str, Webhook]) -> Any:
    app = Flask("hooks")
    Pratique(perimeter).init_app(app)
    for name, hook in hooks.items():
        app.add_url_rule(PATHS[name], view_func=flask_endpoint(hook))
    return app


def _django(perimeter: Perimeter, hooks: dict[str, Webhook]) -> Any:
    routes = [path(PATHS[name][1:], django_endpoint(hook)) for name, hook in hooks.items()]
    return Project(routes, perimeter).wsgi()


DOORS: dict[str, Callable[[Perimeter, dict[str, Webhook]], Any]] = {
    "fastapi": _fastapi,
    "starlette": _starlette,
    "flask": _flask,
    "django": _django,
}


@pytest.fixture(scope="module", params=DOORS)
def client(request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Serve the senders' endpoints by one door."""
    perimeter, hooks = _perimeter()
    with ExitStack() as stack:
        yield stack.enter_context(served(DOORS[request.param](perimeter, hooks)))


def secret_of(name: str) -> str:
    """Return what the sender and we know."""
    return f"{SECRET}{SENDERS.index(name)}"


def mac(name: str, text: str) -> bytes:
    """Return what the sender would make of a text with its own key."""
    return HmacKey(secret_of(name).encode()).digest(text.encode())


def posted(client: httpx.Client, name: str, content: dict[str, Any], **more: Any) -> httpx.Response:
    """Send a signed POST."""
    raw = json.dumps(content).encode()
    fields = providers.get(name).seal(raw, secret=more.get("secret", secret_of(name)), at=NOW)
    return client.post(PATHS[name], content=raw, headers=list(fields))


def asked(client: httpx.Client, name: str, **query: str) -> httpx.Response:
    """Send a GET."""
    return client.get(f"{PATHS[name]}?{urlencode(query)}")


def test_slack_is_answered_once_its_signature_is_right(client: httpx.Client) -> None:
    """The token alone, as text."""
    told = {
        "type": "url_verification",
        "challenge": "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P",
    }
    answer = posted(client, "slack", told)
    assert (answer.status_code, answer.text) == (200, told["challenge"])
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert posted(client, "slack", told, secret="whsec_of_somebody_else").status_code == 401


def test_twitch_is_answered_once_its_signature_is_right(client: httpx.Client) -> None:
    """Its challenge, as text; what says that it is one is in the content."""
    told = {
        "challenge": "pogchamp-kappa-360noscope-vohiyo",
        "subscription": {"type": "stream.online"},
    }
    answer = posted(client, "twitch", told)
    assert (answer.status_code, answer.text) == (200, told["challenge"])
    assert posted(client, "twitch", told, secret="whsec_of_somebody_else").status_code == 401


def test_zoom_is_answered_with_the_mac_of_an_opaque_token(client: httpx.Client) -> None:
    """Signed itself, and in JSON."""
    token = "qgg8vlvZRS6UYooatFL8Aw"
    told = {"event": "endpoint.url_validation", "payload": {"plainToken": token}}
    answer = posted(client, "zoom", told)
    assert answer.json() == {"plainToken": token, "encryptedToken": mac("zoom", token).hex()}
    assert posted(client, "zoom", told, secret="whsec_of_somebody_else").status_code == 401


def test_x_is_answered_by_get(client: httpx.Client) -> None:
    """crc_token: the MAC of an opaque token."""
    answer = asked(client, "x-twitter", crc_token="M2RkODJkZmMtYjlkYi00NmQ4")
    found = answer.json()["response_token"]
    verify = providers.get("x-twitter").keying(secret_of("x-twitter"))
    assert found == verify.seal((b"M2RkODJkZmMtYjlkYi00NmQ4",))


def test_meta_is_answered_by_get_to_who_knows_the_token(client: httpx.Client) -> None:
    """hub.challenge comes back as text."""
    right = {"hub.mode": "subscribe", "hub.challenge": "1158201444"}
    answer = asked(client, "meta", **right, **{"hub.verify_token": "what-we-both-know"})
    assert (answer.status_code, answer.text) == (200, "1158201444")
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in ("what-we-both-knew", "", "é"):
        assert asked(client, "meta", **right, **{"hub.verify_token": wrong}).status_code == 401
    assert asked(client, "meta", **right).status_code == 401


def test_braintree_is_answered_by_get(client: httpx.Client) -> None:
    """bt_challenge: the public key and the MAC."""
    token = "20f9f8ed05f77439fe955c977e4c8a53"
    answer = asked(client, "braintree", bt_challenge=token)
    key, _, told = answer.text.partition("|")
    assert key == "our_key"
    assert told == providers.get("braintree").keying(secret_of("braintree")).seal((token.encode(),))


EVENT = '{"for_user_id":"1","tweet_create_events":[]}'
ORACLE = {
    "x-twitter": [EVENT, "v0:1700000000:{}", "a.b", "", " ", "é", "a" * 129, "abc\n"],
    "braintree": [
        EVENT,
        "PG5vdGlmaWNhdGlvbj4=",
        "20F9F8ED05F77439FE955C977E4C8A53",
        "20f9f8ed05f77439fe9",
        "20f9f8ed05f77439fe955c977e4c8a530",
        "20f9f8ed05f77439fe955c977e4c8a53\n",
    ],
    "meta": [EVENT, "<script>alert(1)</script>", "a b", ""],
}


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, texts in ORACLE.items() for text in texts]
)
def test_a_get_signs_no_text_that_could_be_an_event(
    client: httpx.Client, name: str, text: str
) -> None:
    """The signing oracle: an event's content, a time, a script instead of a token; nothing of it comes back."""
    asks = {"x-twitter": "crc_token", "braintree": "bt_challenge", "meta": "hub.challenge"}[name]
    more = (
        {"hub.mode": "subscribe", "hub.verify_token": "what-we-both-know"} if name == "meta" else {}
    )
    answer = asked(client, name, **{asks: text}, **more)
    assert answer.status_code == 401
    assert not text.strip() or text not in answer.text


@pytest.mark.parametrize("text", [EVENT, "v0:1700000000:{}", "1700000000.x", "", "x" * 129])
@pytest.mark.parametrize("name", ["zoom", "slack", "twitch"])
def test_a_signed_handshake_signs_no_text_that_could_be_an_event(
    client: httpx.Client, name: str, text: str
) -> None:
    """Whoever could send one in the sender's name gets no MAC for a text of their choice."""
    told: dict[str, dict[str, Any]] = {
        "zoom": {"event": "endpoint.url_validation", "payload": {"plainToken": text}},
        "slack": {"type": "url_verification", "challenge": text},
        "twitch": {"challenge": text, "subscription": {"type": "x"}},
    }
    answer = posted(client, name, told[name])
    assert mac("zoom", text).hex() not in answer.text
    assert "plainToken" not in answer.text
    assert not text or text not in answer.text


def test_what_a_handshake_signed_opens_as_no_event(client: httpx.Client) -> None:
    """X signs token and content with one key in one form: a token's MAC beside it as content is refused."""
    token = "M2RkODJkZmMtYjlkYi00NmQ4"
    told = asked(client, "x-twitter", crc_token=token).json()["response_token"]
    lines = {"x-twitter-webhooks-signature": told}
    assert client.post(PATHS["x-twitter"], content=token, headers=lines).status_code == 401
    fields = Fields(
        list(providers.get("x-twitter").seal(EVENT.encode(), secret=secret_of("x-twitter"), at=NOW))
    )
    assert client.post(PATHS["x-twitter"], content=EVENT, headers=list(fields)).status_code == 200


@pytest.mark.parametrize("name", ["slack", "twitch", "zoom"])
def test_a_get_to_a_sender_that_has_none_answers_nothing(client: httpx.Client, name: str) -> None:
    """405 or 401, whatever stands in its query."""
    assert asked(client, name, crc_token="abc", challenge="abc").status_code in (401, 405)


def test_a_route_without_get_is_a_debt() -> None:
    """The start says so, and not the sender's dashboard."""
    perimeter, hooks = _perimeter()
    app = guard(FastAPI(), perimeter)
    for name, hook in hooks.items():
        app.post(PATHS[name])(endpoint(hook))
    with pytest.raises(BoundaryError, match="asks by GET"), served(app):
        pass


def test_the_sender_s_own_sample_is_answered_as_it_says() -> None:
    """Braintree's test: this token, this key, this answer."""
    from pratique import Claim
    from pratique.core.claim import Via

    token = "20f9f8ed05f77439fe955c977e4c8a53"
    wanted = b"integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"
    for claim in (
        Claim(token.encode(), Fields(), NOW, Via(method="GET")),
        Claim(b"", Fields(), NOW, Via(method="GET", target=f"/?bt_challenge={token}")),
    ):
        found = providers.get("braintree").answer(
            claim, secrets=["integration_private_key"], public_key="integration_public_key"
        )
        assert found == wanted
