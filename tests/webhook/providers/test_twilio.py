"""Twilio: the URL is signed with its port or without, and one event has one key."""

import pytest

from pratique import Claim
from tests.webhook.samples import SAMPLES, URL

TWILIO = SAMPLES["twilio"]


@pytest.mark.parametrize("port", [":443", ":8443"])
def test_one_delivery_has_one_key_in_whichever_form_our_url_is_declared(port: str) -> None:
    """UNIQUE: a port that is added to the declaration makes no replay a new event."""
    honest = TWILIO.sealed()
    declared = URL.replace("shop.example", f"shop.example{port}")
    opened = TWILIO.scheme.open(honest, secrets=[TWILIO.opening], url=declared)
    assert opened.key == TWILIO.open(honest).key
    other = TWILIO.sealed(b"MessageSid=SM2&MessageStatus=delivered")
    assert TWILIO.open(other).key != opened.key


def test_another_query_of_the_same_form_is_another_event() -> None:
    """What Twilio adds to the query is signed, and is a part of the key."""
    made = TWILIO.scheme.sealed(
        TWILIO.content(TWILIO.sealed().received_at),
        secret=TWILIO.signing,
        at=TWILIO.sealed().received_at,
        url=f"{URL}&two=2",
    )
    via = type(made.via)(target="/hooks/a?one=1&two=2")
    opened = TWILIO.open(Claim(made.content, made.fields, made.received_at, via))
    assert opened.key != TWILIO.open(TWILIO.sealed()).key
