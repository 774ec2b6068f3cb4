"""Adyen's payment notifications: HMAC-SHA256 over eight members of each item, the key in hex.

An item has a signature of its own, and nothing signs a list of them: two items that somebody put
together would be a new event whenever they are put together anew. So there is one, as Adyen sends
it. What isn't among the eight members (the event's date, the payment method, whatever else) is
signed by nobody, and reaches no handler.
"""

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final, cast

import msgspec

from pratique.core.boundary import Receipt
from pratique.core.claim import Claim
from pratique.core.proofs.authentic.strict_json import object_of
from pratique.core.refusal import Refused
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed
from pratique.webhook.verify import HmacVerifier, Verifier

_FIELD: Final = "additionalData.hmacSignature"
_ITEMS, _ITEM = "notificationItems", "NotificationRequestItem"
_is_key = re.compile(r"(?:[0-9A-Fa-f]{2})+").fullmatch
_is_word = re.compile(r"[A-Za-z0-9_\-.]{1,256}").fullmatch
_is_reference = re.compile(r"[^\x00-\x1f\x7f]{0,512}").fullmatch
_Check = Callable[[str], object]
# ":" stands between the members and isn't escaped. It may stand in the merchant's reference alone:
# then what was signed has one reading.
_CHECKS: Final[tuple[tuple[str, _Check], ...]] = (
    ("pspReference", _is_word),
    ("originalReference", lambda text: not text or _is_word(text)),
    ("merchantAccountCode", _is_word),
    ("merchantReference", _is_reference),
    ("value", re.compile(r"-?[0-9]{1,18}").fullmatch),
    ("currency", re.compile(r"[A-Z]{3}").fullmatch),
    ("eventCode", re.compile(r"[A-Z0-9_]{1,64}").fullmatch),
    ("success", ("true", "false").__contains__),
)


def _object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _item(claim: Claim) -> Mapping[str, Any]:
    try:
        items = object_of(claim.content).get(_ITEMS)
    except ValueError:
        raise malformed(_FIELD, "the content is no JSON object with each name once") from None
    listed = cast("list[object]", items) if isinstance(items, list) else []
    if len(listed) != 1:
        raise malformed(_FIELD, f"{_ITEMS} isn't a list of one")
    return _object(_object(listed[0]).get(_ITEM))


def _signed(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the eight members as they are signed."""
    amount, found = _object(item.get("amount")), dict[str, str]()
    for name, fits in _CHECKS:
        value = (amount if name in ("value", "currency") else item).get(name)
        text = "" if value is None else str(value) if type(value) is int else value
        is_number = type(value) is int
        if not isinstance(text, str) or is_number is not (name == "value") or not fits(text):
            raise malformed(_FIELD, f"{name} isn't in Adyen's form")
        found[name] = text
    return found


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, list[str]]:
    item = _item(claim)
    signature = _object(item.get("additionalData")).get("hmacSignature")
    if not isinstance(signature, str) or not signature:
        raise malformed(_FIELD, "it is missing, empty or no text")
    return "", _identity(_signed(item)), [signature]


def _identity(item: Mapping[str, str]) -> str:
    whole = f"{item['pspReference']}:{item['eventCode']}:{item['success']}"
    return fit(whole) or sha256(whole.encode()).hexdigest()


def _envelope(claim: Claim) -> Envelope | None:
    try:
        item = _signed(_item(claim))
    except Refused:
        return None
    return Envelope(
        _identity(item), item["eventCode"], item["merchantAccountCode"], item["pspReference"]
    )


def _pieces(_time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    return (":".join(_signed(_item(claim)).values()).encode("utf-8", "surrogatepass"),)


def _signed_content(claim: Claim) -> bytes:
    told: dict[str, Any] = _signed(_item(claim))
    amount = {"value": int(told.pop("value")), "currency": told.pop("currency")}
    return msgspec.json.encode({_ITEMS: [{_ITEM: {**told, "amount": amount}}]})


def _enclosed(content: bytes, _time: str, _id: str, signature: str, _facts: Facts) -> bytes:
    told = object_of(content)
    item = told[_ITEMS][0][_ITEM]
    item["additionalData"] = {**item.get("additionalData", {}), "hmacSignature": signature}
    return msgspec.json.encode(told)


def _keying(secret: str) -> Verifier:
    if _is_key(secret) is None:
        message = "the key isn't hexadecimal"
        raise ValueError(message)
    return HmacVerifier(bytes.fromhex(secret), encoding="base64")


SCHEME = Scheme(
    name="adyen",
    party="adyen",
    documentation="https://docs.adyen.com/development-resources/webhooks/",
    binds=tuple(name for name, _ in _CHECKS),
    read=_read,
    pieces=_pieces,
    keying=_keying,
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [],
    seal_content=_enclosed,
    signed_time=False,
    signed_key=True,
    signed_content=_signed_content,
    receipt=Receipt(b"[accepted]"),
)
