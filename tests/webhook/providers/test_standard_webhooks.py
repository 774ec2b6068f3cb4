"""Standard Webhooks: versions, ids, keys, and which secret may open which version."""

import hmac
from base64 import b64encode
from datetime import UTC, datetime

import pytest

from pratique import Claim, Fields, Refused
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers

AT = datetime(2026, 11, 24, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
RAW = bytes(range(24))
SECRET = "whsec_" + b64encode(RAW).decode()
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
CONTENT = b'{"type": "paid", "data": {"id": "in_1"}}'


def v1(event_id: str = "msg_1", *, key: bytes = RAW) -> str:
    """Return a v1 signature by a second implementation."""
    signed = f"{event_id}.{STAMP}.".encode() + CONTENT
    return "v1," + b64encode(hmac.digest(key, signed, "sha256")).decode()


def code(signature: str, *, event_id: str = "msg_1", secret: str = SECRET) -> str:
    """Return the code of the refusal, "" where it opens."""
    lines = [("webhook-id", event_id), ("webhook-timestamp", STAMP)]
    claim = Claim(CONTENT, Fields([*lines, ("webhook-signature", signature)]), AT)
    try:
        providers.standard_webhooks.open(claim, secrets=[secret])
    except Refused as refused:
        return refused.code
    return ""


def test_unknown_versions_are_skipped_and_a_known_one_is_owed() -> None:
    """A sender may add versions before we know them."""
    assert code(f"v9,abc {v1()} v2,{v1()[3:]}") == ""
    assert code(f"v9,abc v2,{v1()[3:]}") == "malformed_signature"


def test_an_id_with_a_dot_would_move_the_border_of_what_is_signed() -> None:
    """`a.1` + `2` and `a` + `1.2` are one signed text; the twin has none."""
    assert code(v1("a.b"), event_id="a.b") == "malformed_signature"
    assert code(v1("a_b"), event_id="a_b") == ""


@pytest.mark.parametrize("junk", ["!@#", "=", "\t"])
def test_another_spelling_of_the_same_signature_is_refused(junk: str) -> None:
    """Base64 decoders drop junk; we compare the one canonical text."""
    assert code(v1()) == ""
    assert code(v1()[:-2] + junk + v1()[-2:]) != ""
    assert code(v1() + junk) != ""


def test_a_secret_works_with_and_without_its_prefix() -> None:
    """As the reference library does."""
    assert code(v1(), secret=SECRET) == ""
    assert code(v1(), secret=SECRET.removeprefix("whsec_")) == ""


def test_a_public_key_never_opens_an_hmac() -> None:
    """CWE-347: whoever reads that key could make the HMAC; the twin is signed with Ed25519."""
    public_bytes = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    for key in (public_bytes, PUBLIC.encode(), PUBLIC[5:].encode()):
        assert code(v1(key=key), secret=PUBLIC) == "bad_signature"
    sealed = providers.standard_webhooks.seal(CONTENT, secret=PRIVATE, at=AT, key="msg_1")
    signature = sealed.one("webhook-signature") or ""
    assert code(signature, secret=PUBLIC) == ""
    assert code("v1," + signature[4:], secret=PUBLIC) == "bad_signature"


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_!!", "whpk_", "whpk_AAAA", "whxx_" + SECRET[6:]]
)
def test_a_secret_in_another_form_opens_nothing_and_starts_nothing(secret: str) -> None:
    """Empty once decoded, no base64, another length, another prefix; the right form does both."""
    assert code(v1(key=b""), secret=secret) == "bad_secret"
    with pytest.raises(BoundaryError):
        providers.standard_webhooks(secrets=secret).opener("")
    assert code(v1()) == ""
    assert providers.standard_webhooks(secrets=SECRET).opener("")


def test_two_contents_sealed_at_one_instant_are_two_events() -> None:
    """And the same one sealed again is the same event."""
    keys = [
        providers.standard_webhooks.open(
            Claim(content, providers.standard_webhooks.seal(content, secret=SECRET, at=AT), AT),
            secrets=[SECRET],
        ).key
        for content in (b'{"n": 1}', b'{"n": 2}', b'{"n": 1}')
    ]
    assert keys[0] == keys[2] != keys[1]
