"""Mollie: nothing is signed, and nothing is said but the id of a payment. Ask Mollie what it is."""

import re

from pratique.core.claim import Claim
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, Grade
from pratique.webhook.scheme import Scheme
from pratique.webhook.token import Unsigned

_content = re.compile(rb"id=(tr_[A-Za-z0-9]{1,64})").fullmatch


def _envelope(claim: Claim) -> Envelope | None:
    match = _content(claim.content)
    # There is but one type, so no hint chooses it.
    return Envelope(type="payment", object_id=match.group(1).decode()) if match else None


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, tuple[str, ...]]:
    if _content(claim.content) is None:
        raise Refused(VALID, "the content isn't id= and the id of a payment", code="bad_envelope")
    return "", "", ()


SCHEME = Scheme(
    name="mollie",
    party="mollie",
    documentation="https://docs.mollie.com/reference/webhooks",
    binds=(),
    read=_read,
    pieces=lambda _time, _id, _claim, _facts: (),
    keying=Unsigned,
    keyed_by=lambda _facts: Unsigned(),
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [
        ("Content-Type", "application/x-www-form-urlencoded")
    ],
    signed_time=False,
    signed_key=False,
    grade=Grade.UNSIGNED,
)
