"""A 401 names the authentication scheme of its boundary, and the boundary as the realm (RFC 9110 §15.5.2)."""

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import BearerToken, Client, SessionCookie
from pratique.client.identity import Identity
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.integrations.fastapi import called, guard
from pratique.integrations.reply import refusal
from tests.attacks.door import app_of
from tests.shop import URL, plain_sqlite3
from tests.tokens import AT, mint, policy

IDENTITIES: list[tuple[Identity, dict[str, str], str]] = [
    (BearerToken(policy()), {"authorization": f"Bearer {mint()}"}, "Bearer"),
    (SessionCookie("session", lambda digest: None, origins=["https://shop.example"]), {}, "Cookie"),
]


def asked(name: str, identity: Identity, headers: dict[str, str]) -> Any:
    """Return the answer of an application with one client boundary."""
    perimeter = Perimeter(clock=lambda: AT)
    shop = perimeter.declare(
        Client(name, identity=identity, user=lambda subject: subject, policy=lambda *_: True)
    )
    app = guard(FastAPI(), perimeter)

    @app.get("/me")
    def me(who: Proven[Any] = called(shop, "profile.read")) -> Any:
        return {"ok": True}

    with TestClient(app) as client:
        return client.get("/me", headers=headers)


@pytest.mark.parametrize(("identity", "honest", "scheme"), IDENTITIES)
def test_a_client_is_told_by_which_scheme(
    identity: Identity, honest: dict[str, str], scheme: str
) -> None:
    """Bearer for a token, Cookie for a session, without a word of how far it came; who is known isn't told."""
    for headers in ({}, {"authorization": "Bearer x"}, {"cookie": "session=x"}):
        answer = asked("shop", identity, headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == f'{scheme} realm="shop"'
    if honest:
        answer = asked("shop", identity, honest)
        assert (answer.status_code, "www-authenticate" in answer.headers) == (200, False)


def test_a_webhook_is_told_to_sign(tmp_path: Path) -> None:
    """A delivery without a signature: Signature, and the webhook's name."""
    with TestClient(app_of(plain_sqlite3(tmp_path / "shop.db"))) as client:
        answer = client.post(URL, content=b"{}")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (
        401,
        'Signature realm="payments"',
    )


def test_a_name_with_quotes_stays_one_realm() -> None:
    """A quoted-string of RFC 9110 §5.6.4."""
    answer = asked('the "shop"', IDENTITIES[0][0], {})
    assert answer.headers["www-authenticate"] == 'Bearer realm="the \\"shop\\""'


def test_a_401_of_no_boundary_has_a_challenge_too() -> None:
    """What a view raises by itself."""
    assert refusal(Refused(AUTHENTIC, "no", code="no")).fields["www-authenticate"] == "Signature"
    assert "www-authenticate" not in refusal(Refused(AUTHENTIC, "no", code="no", status=403)).fields
