"""Adyen's payment notifications: HMAC-SHA256 over eight members of each item, the key in hex.

Each item has a signature of its own, and each is checked. What isn't among the eight members (the
event's date, the payment method, whatever else) is signed by nobody, and reaches no handler.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, cast

import msgspec

from pratique.core.claim import Claim
from pratique.core.proofs.authentic.strict_json import object_of
from pratique.core.refusal import Refused
from pratique.webhook.facts import Facts
from pratique.webhook.item import EachVerifier
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed

_FIELD: Final = "additionalData.hmacSignature"
_ITEMS, _ITEM = "notificationItems", "NotificationRequestItem"
MAX_ITEMS: Final = 100
"""Adyen sends one in a request of JSON."""
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


def _items(claim: Claim) -> list[Mapping[str, Any]]:
    try:
        items = object_of(claim.content).get(_ITEMS)
    except ValueError:
        raise malformed(_FIELD, "the content is no JSON object with each name once") from None
    listed = cast("list[object]", items) if isinstance(items, list) else []
    if not 0 < len(listed) <= MAX_ITEMS:
        raise malformed(_FIELD, f"{_ITEMS} isn't a list of 1 to {MAX_ITEMS}")
    return [_object(_object(each).get(_ITEM)) for each in listed]


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
    items, signatures = _items(claim), list[str]()
    for item in items:
        signature = _object(item.get("additionalData")).get("hmacSignature")
        if not isinstance(signature, str) or not signature:
            raise malformed(_FIELD, "it is missing from an item, empty or no text")
        signatures.append(signature)
    return "", _identity([_signed(item) for item in items]), signatures


def _identity(items: Sequence[Mapping[str, str]]) -> str:
    each = [f"{item['pspReference']}:{item['eventCode']}:{item['success']}" for item in items]
    whole = each[0] if len(each) == 1 else sha256(" ".join(each).encode()).hexdigest()
    return fit(whole) or sha256(whole.encode()).hexdigest()


def _envelope(claim: Claim) -> Envelope | None:
    try:
        items = [_signed(item) for item in _items(claim)]
    except Refused:
        return None
    kinds = {item["eventCode"] for item in items}
    accounts = {item["merchantAccountCode"] for item in items}
    return Envelope(
        _identity(items),
        kinds.pop() if len(kinds) == 1 else "MIXED",
        accounts.pop() if len(accounts) == 1 else "",
        items[0]["pspReference"] if len(items) == 1 else "",
    )


def _pieces(_time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    return tuple(
        ":".join(_signed(item).values()).encode("utf-8", "surrogatepass") for item in _items(claim)
    )


def _signed_content(claim: Claim) -> bytes:
    items: list[dict[str, Any]] = []
    for item in _items(claim):
        told: dict[str, Any] = _signed(item)
        amount = {"value": int(told.pop("value")), "currency": told.pop("currency")}
        items.append({_ITEM: {**told, "amount": amount}})
    return msgspec.json.encode({_ITEMS: items})


def _enclosed(content: bytes, _time: str, _id: str, signature: str, _facts: Facts) -> bytes:
    told = object_of(content)
    signatures = signature.split() or [""] * len(told[_ITEMS])
    for entry, each in zip(told[_ITEMS], signatures, strict=True):
        item = entry[_ITEM]
        item["additionalData"] = {**item.get("additionalData", {}), "hmacSignature": each}
    return msgspec.json.encode(told)


SCHEME = Scheme(
    name="adyen",
    party="adyen",
    documentation="https://docs.adyen.com/development-resources/webhooks/",
    binds=tuple(name for name, _ in _CHECKS),
    read=_read,
    pieces=_pieces,
    keying=EachVerifier,
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [],
    seal_content=_enclosed,
    signed_time=False,
    signed_key=True,
    signed_content=_signed_content,
    receipt=b"[accepted]",
)
