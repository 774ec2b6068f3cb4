"""Plaid: the algorithm before the key, the key by its name, and a hash of the raw content."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from pratique import Claim, Fields, Refused, unsafe
from pratique.core.proofs.authentic import base64url
from pratique.core.proofs.authentic.hmac import HmacKey
from pratique.core.proofs.authentic.public_key import es256_token
from pratique.core.refusal import BoundaryError
from pratique.webhook.providers.plaid import SEALED_KID
from tests.webhook.other_proofs import AT, CASES, jwk

PLAID = CASES["plaid"]
FIELD = "Plaid-Verification"
NOW = int(AT.timestamp())


class Fetching:
    """Plaid's answers, counted."""

    def __init__(self, **more: Any) -> None:
        self.asked: list[str] = []
        self._answer = jwk(0, **more)

    def __call__(self, kid: str) -> Any:
        self.asked.append(kid)
        return {"key": self._answer, "request_id": "r"}


def token(head: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a token with other members."""
    told = {"iat": NOW, "request_body_sha256": sha256(PLAID.content).hexdigest()} | claims
    return es256_token(
        msgspec.json.encode({"alg": "ES256", "kid": SEALED_KID, "typ": "JWT"} | (head or {})),
        msgspec.json.encode({name: value for name, value in told.items() if value is not None}),
        PLAID.signing(0),
    )


def code(text: str, content: bytes = PLAID.content, **pins: Any) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        PLAID.opened(Claim(content, Fields([(FIELD, text)]), AT), **pins)
    except Refused as refused:
        return refused.code
    return ""


def _signed_with(alg: str) -> str:
    head = msgspec.json.encode({"alg": alg, "kid": SEALED_KID, "typ": "JWT"})
    claims = {"iat": NOW, "request_body_sha256": sha256(PLAID.content).hexdigest()}
    signed = f"{base64url.encode(head)}.{base64url.encode(msgspec.json.encode(claims))}"
    mac = b"" if alg == "none" else HmacKey(jwk(0)["x"].encode()).digest(signed.encode())
    return f"{signed}.{base64url.encode(mac)}"


@pytest.mark.parametrize("alg", ["none", "HS256", "RS256", "ES384", "es256", "EdDSA", ""])
def test_another_algorithm_costs_no_look_for_its_key(alg: str) -> None:
    """Pinned before the key is looked for; the twin is ES256."""
    fetching = Fetching()
    assert code(_signed_with(alg), fetch_key=fetching) == "algorithm_not_allowed"
    assert fetching.asked == []
    assert code(token(), fetch_key=fetching) == ""
    assert fetching.asked == [SEALED_KID]


@pytest.mark.parametrize("kid", [None, "", "../../item/get", "a" * 200, "é", 17, "a\nb"])
def test_a_name_that_is_none_costs_no_look(kid: Any) -> None:
    """It goes into a request to Plaid."""
    fetching = Fetching()
    assert code(token({"kid": kid}), fetch_key=fetching) == "malformed_signature"
    assert fetching.asked == []


def test_other_content_and_another_spelling_of_it_are_refused() -> None:
    """The hash is of the raw content."""
    assert code(token()) == ""
    assert code(token(), PLAID.content + b"\n") == "bad_signature"
    assert code(token(), PLAID.content.replace(b" ", b"")) == "bad_signature"


@pytest.mark.parametrize(
    "claims",
    [
        {"request_body_sha256": None},
        {"request_body_sha256": ""},
        {"request_body_sha256": "é"},
        {"request_body_sha256": 1},
        {"request_body_sha256": sha256(PLAID.content).hexdigest().upper()},
        {"iat": None},
        {"iat": "1"},
        {"iat": 1e300},
        {"iat": -1},
        {"iat": True},
    ],
)
def test_a_token_without_its_claims_is_refused(claims: dict[str, Any]) -> None:
    """Signed by Plaid's own key, and of no use."""
    assert code(token(**claims)) in ("bad_signature", "malformed_signature")


def test_a_key_that_was_taken_back_verifies_nothing_later() -> None:
    """`expired_at`, as of when the delivery reached us."""
    assert code(token(), fetch_key=Fetching(expired_at=NOW - 1)) == "unknown_key"
    assert code(token(), fetch_key=Fetching(expired_at=NOW + 1)) == ""


@pytest.mark.parametrize(
    "more",
    [{"alg": "HS256"}, {"kty": "oct", "k": "AA"}, {"crv": "P-384"}, {"use": "enc"}, {"x": ""}],
)
def test_what_is_no_key_of_es256_is_a_refusal(more: dict[str, Any]) -> None:
    """Whatever the callable returns."""
    assert code(token(), fetch_key=Fetching(**more)) == "keys_unavailable"
    assert code(token(), fetch_key=lambda _kid: None) == "unknown_key"
    assert code(token(), fetch_key=Fetching(kid="another")) == "bad_signature"


def test_a_flood_of_unknown_names_leaves_the_known_one_alone() -> None:
    """CWE-400: unknown names share an allowance."""
    fetching = Fetching()
    assert code(token(), fetch_key=fetching) == ""
    for number in range(200):
        assert code(token({"kid": f"k{number}"}), fetch_key=fetching) != ""
    assert len(fetching.asked) < 12
    assert code(token(), fetch_key=fetching) == ""


def test_content_that_comes_again_with_another_time_is_told_apart_at_the_boundary() -> None:
    """That there are new transactions comes day after day with the same content."""
    first, again, later = (
        PLAID.opened(PLAID.sealed(at=AT + timedelta(seconds=after))) for after in (0, 0, 1)
    )
    assert first.key == again.key == later.key
    assert first.moment == again.moment != later.moment
    assert PLAID.scheme.repeats


@pytest.mark.parametrize("known", [[], "abc", [""], ["a/b"], [1]])
def test_known_keys_are_a_list_of_kids(known: Any) -> None:
    """A text is a collection of its letters, and none; the twin opens in a flood."""
    scheme = unsafe.unconfirmed(
        PLAID.scheme, reason="a test", owner="us", until=(AT + timedelta(days=30)).date()
    )
    with pytest.raises(BoundaryError, match="known_keys"):
        scheme(fetch_key=Fetching(), known_keys=known)
    told = {"fetch_key": Fetching(), "known_keys": (SEALED_KID,)}
    for number in range(40):
        assert code(token({"kid": f"k{number}"}), **told) != ""
    assert code(token(), **told) == ""
