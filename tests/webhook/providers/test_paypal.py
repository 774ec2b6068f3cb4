"""PayPal: a checksum is no integrity, and neither the key's place nor the algorithm is the sender's choice."""

from typing import Any
from zlib import crc32

import pytest

from pratique import Claim, Fields, Refused
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers
from pratique.webhook.opened import Grade
from tests.webhook.other_proofs import AT, CASES, PAYPAL_URL, WEBHOOK_ID, certificate

PAYPAL = CASES["paypal"]


def code(claim: Claim, **pins: Any) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        PAYPAL.opened(claim, **pins)
    except Refused as refused:
        return refused.code
    return ""


def changed(**fields: str) -> Claim:
    """Return an honest delivery with other fields."""
    honest = PAYPAL.sealed()
    told = dict(honest.fields) | {name.replace("_", "-"): value for name, value in fields.items()}
    return Claim(honest.content, Fields(told.items()), AT)


def forged(wanted: int, text: bytes) -> bytes:
    """Return the text with 32 blanks and tabs in it such that its CRC32 is the wanted one.

    A CRC is linear: each of the places changes it by a value that doesn't depend on the others.
    """
    head, tail = text[:-1], text[-1:]
    blanks = bytearray(b" " * 64)
    base = crc32(head + bytes(blanks) + tail)
    basis: dict[int, tuple[int, int]] = {}
    for place in range(64):
        one = bytearray(blanks)
        one[place] = 0x09 ^ 0x20 ^ 0x20
        delta, mask = crc32(head + bytes(one) + tail) ^ base, 1 << place
        while delta and (top := delta.bit_length()) in basis:
            delta, mask = delta ^ basis[top][0], mask ^ basis[top][1]
        if delta:
            basis[delta.bit_length()] = (delta, mask)
    need, chosen = wanted ^ base, 0
    while need:
        delta, mask = basis[need.bit_length()]
        need, chosen = need ^ delta, chosen ^ mask
    for place in range(64):
        if chosen >> place & 1:
            blanks[place] = 0x09
    return head + bytes(blanks) + tail


def test_other_content_with_the_same_crc32_opens_and_so_the_grade_is_weak() -> None:
    """The forgery is real: PayPal's signature holds over JSON that PayPal never wrote."""
    honest = PAYPAL.sealed()
    other = forged(
        crc32(honest.content),
        b'{"event_type": "PAYMENT.SALE.COMPLETED", "resource": {"id": "mine"}}',
    )
    assert other != honest.content
    opened = PAYPAL.opened(Claim(other, honest.fields, AT))
    assert opened.grade is Grade.WEAK
    assert not PAYPAL.scheme.has_key
    assert not PAYPAL.scheme.signed_type
    assert code(Claim(other + b" ", honest.fields, AT)) == "bad_signature"


@pytest.mark.parametrize("algorithm", ["SHA1withRSA", "sha256withrsa", "none", "SHA256withECDSA"])
def test_the_sender_does_not_choose_the_algorithm(algorithm: str) -> None:
    """Pinned; the twin is what PayPal sends."""
    assert code(changed(PAYPAL_AUTH_ALGO=algorithm)) == "algorithm_not_allowed"
    assert code(changed(PAYPAL_AUTH_ALGO="SHA256withRSA")) == ""


@pytest.mark.parametrize(
    "url",
    [
        PAYPAL_URL.replace("api.paypal.com", "evil.example"),
        PAYPAL_URL.replace("api.paypal.com", "api.paypal.com.evil.example"),
        PAYPAL_URL.replace("api.paypal.com", "api.paypal.com@evil.example"),
        PAYPAL_URL.replace("api.paypal.com", "api.sandbox.paypal.com"),
        PAYPAL_URL.replace("https:", "http:"),
        PAYPAL_URL.replace("/v1/notifications/certs/", "/v1/notifications/certs/../../"),
        PAYPAL_URL + "?a",
        "(local test key)",
    ],
)
def test_a_certificate_elsewhere_is_never_fetched(url: str) -> None:
    """CWE-918: the field isn't signed. PayPal's own old SDK fetches any URL."""
    asked: list[str] = []

    def fetch(there: str) -> str:
        asked.append(there)
        return certificate(0)

    assert code(changed(PAYPAL_CERT_URL=url), fetch_certificate=fetch) == "bad_key_address"
    assert asked == []
    assert code(PAYPAL.sealed(), fetch_certificate=fetch) == ""
    assert asked == [PAYPAL_URL]


def test_another_webhook_s_delivery_is_refused() -> None:
    """The id of the webhook is signed, and is ours to pin."""
    assert code(PAYPAL.sealed(), webhook_id="5JH86294D6297924G") == "bad_signature"
    with pytest.raises(BoundaryError, match="webhook_id"):
        providers.paypal(fetch_certificate=lambda _url: "")
    for wrong in ("", "a|b", "a b"):
        with pytest.raises(BoundaryError):
            providers.paypal(webhook_id=wrong, fetch_certificate=lambda _url: "")


def test_the_sandbox_is_another_environment() -> None:
    """Its certificates prove nothing to the live endpoint, and the other way round."""
    there = changed(PAYPAL_CERT_URL=PAYPAL_URL.replace("api.", "api.sandbox."))
    pins = {"fetch_certificate": lambda _url: certificate(0)}
    assert code(there, environment="sandbox", **pins) == ""
    assert code(there, **pins) == code(PAYPAL.sealed(), environment="sandbox", **pins)
    with pytest.raises(BoundaryError):
        providers.paypal(webhook_id=WEBHOOK_ID, environment="test", **pins)


def test_a_declaration_says_how_the_key_is_got() -> None:
    """Neither a callable nor a pinned key: the start is refused, with the mend."""
    with pytest.raises(BoundaryError, match="fetch_certificate"):
        providers.paypal(webhook_id=WEBHOOK_ID).live()
    assert providers.paypal(webhook_id=WEBHOOK_ID, secrets=certificate(0)).live()
    both = providers.paypal(
        webhook_id=WEBHOOK_ID, secrets=certificate(0), fetch_certificate=lambda _url: ""
    )
    with pytest.raises(BoundaryError, match="Leave one"):
        both.live()
