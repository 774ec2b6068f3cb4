"""Reading the JSON of a sender's event: its envelope, its time, and what its key is a digest of.

Nothing here is proven: it is called behind the signature, and only `typed_content` raises.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, TypeVar, cast

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import VALID
from pratique.core.refusal import Refused

from .facts import Facts
from .opened import Envelope, is_id

T = TypeVar("T")
_encode = msgspec.json.Encoder(order="deterministic").encode
_LATEST: Final = 10**14
"""Milliseconds since 1970: the year 5138."""
_is_kind: Final = re.compile(r"[A-Za-z0-9_\-:./]{1,255}").fullmatch
"""A type in a field: "push", "repo:push", "orders/paid". It is compared, and goes nowhere else."""
Paths = str | tuple[str, ...]
"""Dotted places in the content; "a|b" is the first of two that is there, a tuple all, joined."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises of hostile bytes."""
MANY: Final = "batch"
"""The type of a delivery with events of several types."""


def reading(form: type[T]) -> Callable[[Claim], T | None]:
    """Return what reads a delivery's content in a sender's form; None where it isn't in it."""
    decode = msgspec.json.Decoder(form).decode

    def read(claim: Claim) -> T | None:
        try:
            return decode(claim.content)
        except UNREADABLE:
            return None

    return read


decoded: Final = reading(object)
"""Returns the JSON value; None for anything else."""


def members(content: object) -> dict[str, object]:
    """Return the members of a JSON object; none of anything else."""
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}


def items(content: object) -> list[object]:
    """Return the items of a JSON array; none of anything else."""
    return cast("list[object]", content) if isinstance(content, list) else []


def _found(content: object, path: str) -> object:
    for step in path.split("."):
        content = members(content).get(step)
    return content


def at(content: object, path: str) -> str:
    """Return the text or whole number at a dotted path; "" where there is none."""
    for way in path.split("|"):
        found = _found(content, way)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        if isinstance(found, str) and found:
            return found
    return ""


def all_at(content: object, paths: Paths, sign: str) -> str:
    """Return the text at each path, joined; "" where one of them isn't there."""
    if not paths:
        return ""
    found = [at(content, path) for path in ((paths,) if isinstance(paths, str) else paths)]
    return sign.join(found) if all(found) else ""


def envelope_at(
    *,
    id: Paths = "",
    type: Paths = "",
    account: str = "",
    about: Paths = "",
    id_field: str = "",
    type_field: str = "",
    livemode: str = "",
) -> Callable[[Claim], Envelope | None]:
    """Return what reads the envelope of a sender.

    Args:
        id: Where the signed id stands in the content.
        type: Where the event's type stands.
        account: Where the tenant stands.
        about: Where the id of the object stands.
        id_field: The field with the id, where it is signed there.
        type_field: The field with the type, which is then a hint: it isn't signed.
        livemode: Where a bool says that it isn't a test.
    """

    def envelope(claim: Claim) -> Envelope | None:
        content = decoded(claim)
        if content is None:
            return None
        identity = claim.fields.one(id_field) or "" if id_field else all_at(content, id, "-")
        if (id or id_field) and is_id(identity) is None:
            return None
        kind = claim.fields.one(type_field) or "" if type_field else all_at(content, type, ".")
        if type_field and _is_kind(kind) is None:
            return None
        object_id = all_at(content, about, "-")
        live = _found(content, livemode) if livemode else None
        return Envelope(
            identity,
            kind,
            at(content, account) if account else "",
            object_id if is_id(object_id) is not None else "",
            live if isinstance(live, bool) else None,
        )

    return envelope


def batch_at(
    events: str, *, id: Paths, type: Paths, account: str = "", about: Paths = ""
) -> Callable[[Claim], Envelope | None]:
    """Return what reads the envelope of a sender that sends several events in one delivery.

    One event has its own id. Several have an id that follows from all of theirs, in order: the
    delivery is one event, and one effect each is the business key's.

    Args:
        events: Where the list stands; "" where the content is the list.
        id: Where the id of an item stands.
        type: Where its type stands; `MANY` where they differ.
        account: Where the tenant stands: in the content, else in each item.
        about: Where the id of the object of an item stands; none where there are several items.
    """

    def envelope(claim: Claim) -> Envelope | None:
        content = decoded(claim)
        each = items(_found(content, events) if events else content)
        ids = [all_at(item, id, "-") for item in each]
        if not ids or not all(is_id(found) for found in ids):
            return None
        types = {all_at(item, type, ".") for item in each}
        accounts = {at(item, account) for item in ([content] if events else each) if account}
        if len(accounts) > 1:  # one delivery is one tenant's
            return None
        object_id = all_at(each[0], about, "-") if len(each) == 1 else ""
        return Envelope(
            ids[0] if len(ids) == 1 else f"batch_{sha256('/'.join(ids).encode()).hexdigest()}",
            types.pop() if len(types) == 1 else MANY,
            accounts.pop() if accounts else "",
            object_id if is_id(object_id) is not None else "",
        )

    return envelope


def milliseconds_at(path: str) -> Callable[[Claim], str]:
    """Return what reads a time from the content: whole milliseconds since 1970."""

    def time_of(claim: Claim) -> str:
        found = _found(decoded(claim), path)
        is_time = isinstance(found, int) and not isinstance(found, bool) and 0 <= found < _LATEST
        return str(found) if is_time else ""

    return time_of


def without(*names: str) -> Callable[[Claim, Facts], bytes]:
    """Return what a key is a digest of: the JSON without these members of its top, decoded.

    A resend with another time, other spaces or another order of members is the same event.
    """

    def digest_of(claim: Claim, _facts: Facts) -> bytes:
        told = members(decoded(claim))
        if not told:
            return claim.content
        return _encode({name: value for name, value in told.items() if name not in names})

    return digest_of


def typed_content(decoder: msgspec.json.Decoder[Any], content: bytes) -> Any:
    """Return the content in the type that `on(content=…)` names.

    Raises:
        Refused: VALID, code "bad_content".
    """
    try:
        return decoder.decode(content)
    except UNREADABLE:
        raise Refused(
            VALID,
            "the content hasn't the declared type",
            code="bad_content",
            hint="compare the type of on(content=…) with the sender's API version",
        ) from None
