"""Mailgun: HMAC-SHA256 over a time and a token, and over nothing of what happened.

Whoever holds one delivery can put other event data beside its signature. So the grade is weak, and
what happened is asked of Mailgun.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, cast

import msgspec

from pratique.core.claim import Claim
from pratique.core.proofs.authentic.strict_json import object_of
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, Grade, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed
from pratique.webhook.signed_time import TEN_DIGITS
from pratique.webhook.verify import hmac_of_text

# Nothing stands between time and token: their lengths are the border.
_is_token = re.compile(r"[0-9a-f]{50}").fullmatch
_BLOCK: Final = "signature"


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _members(claim: Claim) -> Mapping[str, Any]:
    try:
        return object_of(claim.content)
    except ValueError:
        raise malformed(_BLOCK, "the content is no JSON object with each name once") from None


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, list[str]]:
    block = _object(_members(claim).get(_BLOCK))
    time, token, signature = (block.get(name) for name in ("timestamp", "token", "signature"))
    if not isinstance(time, str) or not TEN_DIGITS.matches(time):
        raise malformed(_BLOCK, f"timestamp isn't {TEN_DIGITS.words}")
    if not isinstance(token, str) or _is_token(token) is None:
        raise malformed(_BLOCK, "token isn't 50 hexadecimal digits")
    if not isinstance(signature, str) or not signature:
        raise malformed(_BLOCK, "the signature is missing, empty or no text")
    return time, token, [signature]


def _envelope(claim: Claim) -> Envelope | None:
    try:
        members = object_of(claim.content)
    except ValueError:
        return None
    data, token = _object(members.get("event-data")), _object(members.get(_BLOCK)).get("token")
    kind, about = data.get("event"), data.get("id")
    if not isinstance(kind, str) or not isinstance(token, str):
        return None
    return Envelope(token, kind, "", fit(about) if isinstance(about, str) else "")


def _token(identity: str) -> str:
    return identity if _is_token(identity) else sha256(identity.encode()).hexdigest()[:50]


def _enclosed(content: bytes, time: str, event_id: str, signature: str, _facts: Facts) -> bytes:
    block = {"timestamp": time, "token": _token(event_id), "signature": signature}
    return msgspec.json.encode({**object_of(content), _BLOCK: block})


SCHEME = Scheme(
    name="mailgun",
    party="mailgun",
    documentation="https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
    binds=("time", "id"),
    read=_read,
    time=TEN_DIGITS,
    pieces=lambda time, event_id, _claim, _facts: (time.encode(), _token(event_id).encode()),
    keying=hmac_of_text(encoding="hex"),
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [],
    seal_content=_enclosed,
    signed_time=True,
    signed_key=True,
    signed_type=False,
    grade=Grade.WEAK,
)
