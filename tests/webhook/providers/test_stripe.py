"""Stripe: what its header may hold, and what its content must repeat."""

import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Claim, Fields, Refused
from pratique.core.obligation import LINKED, VALID
from pratique.core.refusal import BoundaryError
from pratique.core.secret import LiveSecret
from pratique.webhook import providers
from pratique.webhook.opened import Opened

AT = datetime(2026, 11, 24, tzinfo=UTC)
STAMP = str(int(AT.timestamp()))
SECRET, OTHER = "whsec_8sPq2Lx0Vt7RkYw3Zb5N", "whsec_b7TqLm2Rz9Xc4Vn6Jk1H"
CONTENT = b'{"id": "evt_1", "type": "invoice.paid", "livemode": true, "account": "acct_1"}'


def mac(content: bytes = CONTENT, time: str = STAMP, secret: str = SECRET) -> str:
    """Return a signature by a second implementation."""
    return hmac.digest(secret.encode(), f"{time}.".encode() + content, "sha256").hex()


def opened(header: str, content: bytes = CONTENT, **pins: Any) -> Opened:
    """Open a delivery with that header."""
    claim = Claim(content, Fields([("Stripe-Signature", header)]), AT)
    return providers.stripe.open(claim, secrets=[SECRET], **pins)


@pytest.mark.parametrize(
    "header",
    [
        f"v1={mac()},t={STAMP}",
        f"t={STAMP},v0={'0' * 64},v1={mac()}",
        f"t={STAMP},v1=bad,v1={mac()}",
        f"t={STAMP},v1={mac()},v2=new",
    ],
    ids=["any order", "v0 skipped", "a bad one first", "unknown version skipped"],
)
def test_opens_every_form_that_stripe_may_send(header: str) -> None:
    """The twins of the forms below."""
    assert opened(header).sent_at == AT


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (f"t={STAMP},v0={mac()}", "malformed_signature"),
        (f"t={STAMP},v1={mac().upper()}", "bad_signature"),
        (f"t={STAMP},v1={mac()}0", "bad_signature"),
        (f"t={STAMP},v1={mac()[:-2]}", "bad_signature"),
        (f"v1={mac()}", "malformed_signature"),
        (f"t={STAMP},t={STAMP},v1={mac()}", "malformed_signature"),
        (f"t=+{STAMP},v1={mac(time='+' + STAMP)}", "malformed_signature"),
        (f"t=-1,v1={mac(time='-1')}", "malformed_signature"),
        (f"t=1e400,v1={mac(time='1e400')}", "malformed_signature"),
        (f"t=٢,v1={mac(time='٢')}", "malformed_signature"),
        (f"t={STAMP[:-1]},v1={mac()}", "bad_signature"),
    ],
)
def test_refuses_every_other_form(header: str, code: str) -> None:
    """WH-08, WH-12, WH-13: another version, case, length; a time that is no number."""
    with pytest.raises(Refused) as refused:
        opened(header)
    assert refused.value.code == code


def test_refuses_a_body_that_was_serialised_again() -> None:
    """WH-05: the proof is over the bytes as they came."""
    header = f"t={STAMP},v1={mac()}"
    with pytest.raises(Refused):
        opened(header, CONTENT.replace(b": ", b":"))
    assert opened(header).envelope is not None


def test_refuses_a_pinned_delivery_whose_mode_or_account_is_missing_or_another() -> None:
    """WH-25: what isn't said isn't repeated."""
    for content, pins, code in (
        (CONTENT, {"livemode": False}, "wrong_livemode"),
        (CONTENT.replace(b'"livemode": true, ', b""), {"livemode": True}, "wrong_livemode"),
        (CONTENT, {"account": "acct_2"}, "wrong_account"),
        (b'{"id": "evt_1"}', {"account": "acct_1"}, "wrong_account"),
    ):
        with pytest.raises(Refused) as refused:
            opened(f"t={STAMP},v1={mac(content)}", content, **pins)
        assert (refused.value.obligation, refused.value.code) == (LINKED, code)
    with pytest.raises(Refused) as refused:
        opened(f"t={STAMP},v1={mac(b'[]')}", b"[]", livemode=True)
    assert refused.value.obligation is VALID
    assert opened(f"t={STAMP},v1={mac()}", livemode=True, account="acct_1").account == "acct_1"


def test_an_object_id_that_would_name_another_path_is_dropped() -> None:
    """Hole 11, CWE-22: it goes into the URL of the confirmation."""
    for bad in ("..", ".", "in_1/../../v1/refunds", "in 1", "in_1%2f", "", "i" * 256):
        content = b'{"id": "evt_1", "data": {"object": {"id": "%s"}}}' % bad.encode()
        envelope = opened(f"t={STAMP},v1={mac(content)}", content).envelope
        assert envelope is not None
        assert envelope.object_id == "", bad
    content = b'{"id": "evt_1", "data": {"object": {"id": "in_1.a-b:c"}}}'
    envelope = opened(f"t={STAMP},v1={mac(content)}", content).envelope
    assert envelope is not None
    assert envelope.object_id == "in_1.a-b:c"


def test_a_tenant_with_a_secret_of_its_own_can_t_use_another_s_key_up() -> None:
    """WH-33: B may write A's account into what it signs; the key is of whose secret matched."""
    live = [LiveSecret("a", SECRET, account="A"), LiveSecret("b", OTHER, account="B")]
    keys = {}
    for secret in (SECRET, OTHER):
        fields = Fields([("Stripe-Signature", f"t={STAMP},v1={mac(secret=secret)}")])
        found = providers.stripe.open(Claim(CONTENT, fields, AT), secrets=live)
        keys[found.account] = found.key
    assert set(keys) == {"A", "B"}
    assert keys["A"] != keys["B"]


def test_a_value_that_is_live_under_a_new_name_opens_though_the_old_name_has_ended() -> None:
    """A roll that was extended; without the new name it is refused."""
    fields = Fields([("Stripe-Signature", f"t={STAMP},v1={mac()}")])
    ended, live = LiveSecret("ended", SECRET, AT), LiveSecret("live", SECRET)
    found = providers.stripe.open(Claim(CONTENT, fields, AT), secrets=[ended, live])
    assert found.secret_name == "live"
    with pytest.raises(Refused) as refused:
        providers.stripe.open(Claim(CONTENT, fields, AT), secrets=[ended])
    assert refused.value.code == "expired_secret"


@pytest.mark.parametrize(
    "wrong",
    [{"livemod": True}, {"livemode": 1}, {"livemode": None}, {"account": ""}, {"tolerance": 0}],
)
def test_a_declaration_that_would_check_less_than_it_says_is_refused(wrong: dict[str, Any]) -> None:
    """Law 6, at each place where one is made; the right spelling passes."""
    if "tolerance" in wrong:
        wrong = {"tolerance": timedelta(0)}
    with pytest.raises(BoundaryError):
        providers.stripe(secrets=SECRET, **wrong)
    with pytest.raises(BoundaryError):
        providers.stripe.opener([LiveSecret("s", SECRET)], **wrong)
    with pytest.raises(BoundaryError, match="at most"):
        providers.stripe(secrets=SECRET, tolerance=timedelta(days=365))
    assert providers.stripe(secrets=SECRET, livemode=True, tolerance=timedelta(minutes=1)).live()
