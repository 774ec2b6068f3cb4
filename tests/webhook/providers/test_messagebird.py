"""MessageBird: which URL, which content, and never an algorithm of the sender's choice."""

from typing import Any

import msgspec
import pytest

from pratique import Claim, Fields, Refused
from pratique.core.claim import Via
from pratique.core.proofs.authentic import base64url
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers
from tests.webhook.other_proofs import AT, CASES, TEXT, URL

BIRD = CASES["messagebird"]
FIELD = "MessageBird-Signature-JWT"


def code(claim: Claim, url: str | None = URL) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        BIRD.scheme.open(claim, secrets=[TEXT], url=url)
    except Refused as refused:
        return refused.code
    return ""


def _unsigned(head: dict[str, Any]) -> Claim:
    honest = BIRD.sealed()
    _, claims, _ = dict(honest.fields)[FIELD].split(".")
    text = f"{base64url.encode(msgspec.json.encode(head))}.{claims}."
    return Claim(honest.content, Fields([(FIELD, text)]), AT)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "RS256", "ES256"])
def test_no_algorithm_but_hmac(alg: str) -> None:
    """CVE-2015-9235; the twin is signed."""
    assert code(_unsigned({"alg": alg, "typ": "JWT"})) == "bad_signature"
    assert code(BIRD.sealed()) == ""


@pytest.mark.parametrize("content", [b"", b"{}", BIRD.content + b" "])
def test_content_that_was_taken_away_added_or_changed_is_refused(content: bytes) -> None:
    """A hash without content, and content without its hash."""
    assert code(Claim(content, BIRD.sealed().fields, AT)) == "bad_signature"
    empty = BIRD.sealed(b"")
    assert code(empty) == ""
    assert code(Claim(b"{}", empty.fields, AT)) == "bad_signature"


def test_the_url_is_the_declaration_s_with_the_query_of_the_request() -> None:
    """Host and path that a proxy or client names are never read."""
    asked = BIRD.scheme.sealed(BIRD.content, secret=TEXT, at=AT, url=f"{URL}?a=1&b=2")
    there = Claim(asked.content, asked.fields, AT, Via(target="/elsewhere?a=1&b=2"))
    assert code(there) == ""
    assert code(asked) == "bad_signature"
    assert code(Claim(asked.content, asked.fields, AT, Via(target="/?b=2&a=1"))) == "bad_signature"
    assert code(there, "https://other.example/hooks/messagebird") == "bad_signature"
    assert code(there, None) == "undeclared"
    with pytest.raises(BoundaryError, match="url="):
        providers.messagebird(secrets=TEXT)


def test_a_short_secret_is_none() -> None:
    """RFC 7518 §3.2: 32 bytes."""
    with pytest.raises(BoundaryError):
        providers.messagebird(secrets="a short secret 17", url=URL).opener("")
    assert providers.messagebird(secrets=TEXT, url=URL).opener("")
