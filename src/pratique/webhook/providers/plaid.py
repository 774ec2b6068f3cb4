"""Plaid: a token signed with ES256 that holds the content's SHA-256; its key is named by `kid`.

Two events that say the same ("there are new transactions") have the same content: the signed time
is a part of their key, and what happens once is the object in its confirmed state.
"""

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.webhook.content import reading
from pratique.webhook.digest_token import FETCH, fetched_key, pinned_key, seconds, unproven
from pratique.webhook.facts import Facts
from pratique.webhook.named_key import CALLABLE, COLLECTION, KNOWN_KEYS
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed

_FIELD = "Plaid-Verification"
SEALED_KID = "00000000-0000-4000-8000-000000000000"
"""The name of the key in deliveries that we seal."""
_is_kid = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch


class _Event(msgspec.Struct):
    webhook_type: str
    webhook_code: str
    item_id: str | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    kind = fit(event.webhook_type) and fit(event.webhook_code)
    return (
        Envelope(
            type=f"{event.webhook_type}.{event.webhook_code}", object_id=fit(event.item_id or "")
        )
        if kind
        else None
    )


def _named(head: Mapping[str, Any]) -> str:
    # The algorithm before the key: a token of another one costs no look.
    if head.get("alg") != "ES256":
        raise Refused(
            AUTHENTIC, "the algorithm of its token isn't ES256", code="algorithm_not_allowed"
        )
    kid = head.get("kid")
    if not isinstance(kid, str) or _is_kid(kid) is None:
        raise malformed(_FIELD, "kid isn't letters, digits, _ and -")
    return kid


def _are_kids(told: Collection[object]) -> bool:
    # A str is a collection of its letters, and a letter would be a kid.
    is_list = bool(told) and not isinstance(told, str)
    return is_list and all(isinstance(each, str) and _is_kid(each) for each in told)


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, list[str]]:
    token, head, claims = unproven(claim, _FIELD)
    _named(head)
    return seconds(claims, "iat", _FIELD), "", [token]


def _pieces(time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    kid = SEALED_KID if _FIELD not in claim.fields else _named(unproven(claim, _FIELD)[1])
    return kid.encode(), time.encode(), sha256(claim.content).hexdigest().encode()


SCHEME = Scheme(
    name="plaid",
    party="plaid",
    documentation="https://plaid.com/docs/api/webhooks/webhook-verification/",
    binds=("time", "content"),
    read=_read,
    pieces=_pieces,
    keying=pinned_key,
    keyed_by=fetched_key,
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [(_FIELD, signature)],
    signed_time=True,
    signed_key=False,
    repeats=True,
    source="unconfirmed",  # Plaid shows the steps, and no delivery that is signed
    pins=(Pin(FETCH, CALLABLE), Pin(KNOWN_KEYS, COLLECTION, fits=_are_kids)),
)
