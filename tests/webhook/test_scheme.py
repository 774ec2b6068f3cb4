"""Opening and sealing: bounds, rotation, pins, keys; each refusal with the smallest change that is admitted."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Claim, Fields, Refused, Secret
from pratique.core.refusal import BoundaryError
from pratique.core.secret import LiveSecret
from pratique.webhook import providers

AT = datetime(2026, 11, 24, tzinfo=UTC)
OLD, NEW = "whsec_old8sPq2Lx0Vt7RkYw3", "whsec_new8sPq2Lx0Vt7RkYw3"
CONTENT = b'{"id": "evt_1", "type": "a", "livemode": true, "account": "acct_1", "data": {"object": {"id": "in_1"}}}'


def sealed(content: bytes = CONTENT, *, secret: str | list[str] = NEW, at: datetime = AT) -> Claim:
    """Return a delivery of Stripe's as a claim."""
    return Claim(content, providers.stripe.seal(content, secret=secret, at=at), AT)


def code(claim: Claim, secrets: Any = (NEW,), **pins: Any) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        providers.stripe.open(claim, secrets=secrets, **pins)
    except Refused as refused:
        return refused.code
    return ""


def test_two_secrets_are_live_during_a_roll_and_the_event_says_which_matched() -> None:
    """The key doesn't depend on the secret: a replay across the roll is the same event."""
    live = [LiveSecret("new", NEW), LiveSecret("old", OLD)]
    by_old = providers.stripe.open(sealed(secret=OLD), secrets=live)
    by_new = providers.stripe.open(sealed(secret=NEW), secrets=live)
    assert (by_old.secret_name, by_new.secret_name) == ("old", "new")
    assert by_old.key == by_new.key


def test_a_secret_past_its_not_after_opens_nothing() -> None:
    """One second earlier it does."""
    assert (
        code(sealed(secret=OLD), [LiveSecret("new", NEW), LiveSecret("old", OLD, AT)])
        == "expired_secret"
    )
    later = AT + timedelta(seconds=1)
    assert code(sealed(secret=OLD), [LiveSecret("new", NEW), LiveSecret("old", OLD, later)]) == ""


@pytest.mark.parametrize(
    ("age", "wanted"), [(300, ""), (301, "stale"), (-300, ""), (-301, "from_the_future")]
)
def test_age_and_lead_are_bounded_each_on_its_own(age: int, wanted: str) -> None:
    """300 s either way, Stripe's own figure."""
    assert code(sealed(at=AT - timedelta(seconds=age))) == wanted


@pytest.mark.parametrize(
    ("pins", "wanted"),
    [
        ({"livemode": True, "account": "acct_1"}, ""),
        ({"livemode": False}, "wrong_livemode"),
        ({"account": "acct_2"}, "wrong_account"),
    ],
)
def test_what_is_pinned_must_stand_in_what_was_signed(pins: dict[str, Any], wanted: str) -> None:
    """WH-25."""
    assert code(sealed(), **pins) == wanted


def test_nine_candidates_are_refused_and_eight_are_tried() -> None:
    """WH-09: bounded work; a late one is found within the bound."""
    header = sealed().fields.one("Stripe-Signature") or ""
    time, good = header.split(",")
    for bad, wanted in ((7, ""), (8, "too_many_signatures")):
        value = ",".join([time, *(["v1=" + "0" * 64] * bad), good])
        assert code(Claim(CONTENT, Fields([("Stripe-Signature", value)]), AT)) == wanted


@pytest.mark.parametrize("secrets", [[], "", [""], [None]])
def test_no_secret_is_not_an_unset_check(secrets: Any) -> None:
    """Law 6: empty is refused; the twin opens."""
    assert code(sealed(), secrets) in ("no_secret", "unreadable")
    assert code(sealed(), NEW) == ""


def test_an_account_is_part_of_the_key() -> None:
    """The same id of two tenants is two events; length prefixes keep `a|bc` from being `ab|c`."""
    other = CONTENT.replace(b"acct_1", b"acct_2")
    keys = {
        providers.stripe.open(sealed(content), secrets=[NEW]).key for content in (CONTENT, other)
    }
    assert len(keys) == 2


def test_an_id_that_is_no_id_falls_back_to_a_digest() -> None:
    """WH-17: a number, an array, 300 characters, a slash: no envelope; the twin has one."""
    for bad in (b"17", b"[]", b"null", b'"' + b"e" * 300 + b'"', b'"../v1"'):
        assert (
            providers.stripe.open(sealed(CONTENT.replace(b'"evt_1"', bad)), secrets=[NEW]).envelope
            is None
        )
    found = providers.stripe.open(sealed(), secrets=[NEW]).envelope
    assert found is not None
    assert (found.id, found.object_id) == ("evt_1", "in_1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"signed": "{time}{content}", "time_field": "X-T"},
        {"signed": "{time}.{content}"},
        {"signed": "{content}", "time_field": "X-T"},
        {"signed": "{body}"},
        {"signed": "{id}.{content}"},
        {"digest": "md5"},
        {"encoding": "HEX"},
        {"signature_field": ""},
    ],
)
def test_a_generic_scheme_that_could_be_shifted_is_refused_where_it_is_declared(
    wrong: dict[str, str],
) -> None:
    """The twin has a sign between its parts, and its time is signed."""
    with pytest.raises(BoundaryError):
        providers.generic("erp", **{"signature_field": "X-S", **wrong})
    scheme = providers.generic(
        "erp", signature_field="X-S", time_field="X-T", signed="{time}.{content}"
    )
    assert scheme.open(
        Claim(CONTENT, scheme.seal(CONTENT, secret=NEW, at=AT), AT), secrets=[NEW]
    ).envelope


def test_a_challenge_is_answered_only_when_it_is_signed_and_opaque() -> None:
    """Slack's url_verification; never a signing oracle, never an echo of markup."""

    def ask(challenge: str, secret: str = NEW) -> bytes:
        content = b'{"type": "url_verification", "challenge": "%s"}' % challenge.encode()
        return providers.slack.answer(
            Claim(content, providers.slack.seal(content, secret=secret, at=AT), AT), secrets=[NEW]
        )

    assert (
        ask("3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P")
        == b"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    )
    for challenge, secret in (("<b>", NEW), ("v0:1:x", NEW), ("abc", OLD)):
        with pytest.raises(Refused):
            ask(challenge, secret)
    with pytest.raises(LookupError):
        providers.stripe.answer(sealed(), secrets=[NEW])


def test_an_unknown_sender_or_pin_lists_the_near_ones() -> None:
    """And a declaration's secret that is short once decoded is refused at start."""
    with pytest.raises(LookupError, match="stripe"):
        providers.get("strype")
    with pytest.raises(BoundaryError, match="livemode"):
        providers.stripe(secrets=NEW, live_mode=True)
    assert providers.get("standard_webhooks") is providers.standard_webhooks
    with pytest.raises(BoundaryError, match="16 bytes"):
        providers.standard_webhooks(secrets="whsec_c2hvcnQgYnV0IG9r").opener("")
    assert providers.standard_webhooks(
        secrets=Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    ).opener("")


def test_each_of_two_secrets_seals_where_the_field_holds_several() -> None:
    """Either opens it alone (Stripe's v1=…,v1=…). GitHub's field holds one; none seals nothing."""
    claim = sealed(secret=[NEW, OLD])
    assert code(claim, [NEW]) == code(claim, [OLD]) == ""
    assert code(sealed(), [OLD]) == "bad_signature"
    for secrets in ([NEW, OLD], []):
        with pytest.raises(ValueError, match="signs with one secret"):
            providers.github.seal(CONTENT, secret=secrets, at=AT)
    assert len(providers.github.seal(CONTENT, secret=[NEW], at=AT)) == 1
