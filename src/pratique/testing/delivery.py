"""A delivery of a webhook as its sender signs it, in the shape that a test client takes."""

import json
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pratique.core.attack import Request
from pratique.core.claim import Claim, Fields

from .shapes import SHAPES, Told, plain

if TYPE_CHECKING:  # what is off imports little: the plugin is loaded in every run
    from pratique.webhook import Webhook

JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"


class Delivery(dict[str, Any]):
    """`content` and `headers`, as httpx and the TestClient of Starlette and FastAPI take them.

    `client.post(URL, **delivery(payments, "invoice.paid"))`
    """

    @property
    def content(self) -> bytes:
        """Return the bytes."""
        content: bytes = self["content"]
        return content

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Return every field line."""
        return tuple(self["headers"])

    def for_flask(self) -> dict[str, Any]:
        """Return it as Flask's test client takes it: `client.post(URL, **d.for_flask())`."""
        return {"data": self.content, "headers": list(self.fields)}

    def for_django(self) -> dict[str, Any]:
        """Return it as Django's test client takes it: `client.post(URL, **d.for_django())`."""
        fields = dict(self.fields)
        return {
            "data": self.content,
            "content_type": fields.pop("Content-Type"),
            "headers": fields,
        }

    def for_requests(self) -> dict[str, Any]:
        """Return it as requests takes it."""
        return {"data": self.content, "headers": dict(self.fields)}

    def to(self, target: str) -> Request:
        """Return it as a POST to a path, for `example`."""
        return Request("POST", target, self.content, self.fields)


def delivery(
    boundary: "Webhook",
    type: str,
    content: object = None,
    *,
    id: str | None = None,
    object_id: str = "obj_1",
    secret: str | None = None,
    at: datetime | None = None,
    fields: Iterable[tuple[str, str]] = (),
) -> Delivery:
    """Return a delivery, signed by the scheme of a boundary.

    Args:
        boundary: Whose scheme and secret are taken.
        type: The event's type: "invoice.paid".
        content: Bytes, or what becomes JSON. Left out: an event in the sender's shape with the
            facts below, where we know it.
        id: Of the event; another one each time by default.
        object_id: What the event is about.
        secret: Another one than the first live secret of the boundary: "wrong", or the sender's
            private key where it signs with one.
        at: When it is sent, UTC; now by the clock of the boundary's perimeter by default.
        fields: Further field lines.

    Raises:
        ValueError: the shape of this sender isn't known, so that `content` is owed; or it isn't
            one of its events of that type.
        BoundaryError: the boundary's secret isn't set.
    """
    scheme = boundary.sender.scheme
    if at is None:
        at = boundary.perimeter.clock() if boundary.perimeter is not None else datetime.now(UTC)
    event_id = id or f"evt_{token_hex(8)}"
    if content is None:
        content = _shape(boundary, type, event_id, object_id, at)
    raw = _raw(content)
    made = _sealed(boundary, raw, event_id, secret, at)
    lines = [("Content-Type", _content_type(made)), *fields]
    if scheme.type_field:
        lines.append((scheme.type_field, type))
    lines += [line for line in made.fields if line[0].lower() != "content-type"]
    envelope = scheme.envelope(Claim(made.content, Fields(lines), at))
    if envelope is None or envelope.type != type:
        raise ValueError(
            f"{scheme.name}: the content isn't one of its events of type {type!r}. "
            "Pass content= as the sender writes it."
        )
    return Delivery(content=made.content, headers=lines)


def live_secret(boundary: "Webhook") -> str:
    """Return the first live secret of a boundary.

    Raises:
        BoundaryError: none is set.
        ValueError: it is optional, and unset.
    """
    live = boundary.sender.live()
    if not live:
        raise ValueError(f'Boundary "{boundary.name}" is disabled: its secret is unset.')
    return live[0].value


def _sealed(
    boundary: "Webhook", raw: bytes, event_id: str, secret: str | None, at: datetime
) -> Claim:
    sender = boundary.sender

    def seal(each: str) -> Claim:
        return sender.scheme.sealed(
            raw, secret=each, at=at, key=event_id, url=sender.url, **sender.pins
        )

    if secret is None:
        return seal(live_secret(boundary))
    try:
        return seal(secret)
    except ValueError:  # not in the sender's form, as "wrong" is not: one that follows from it is
        digest = b64encode(sha256(secret.encode()).digest()).decode()
        return seal(f"whsec_{digest}")


def _content_type(made: Claim) -> str:
    is_json = made.content[:1] in (b"{", b"[", b"")
    return made.fields.one("Content-Type") or (JSON if is_json else FORM)


def _raw(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Mapping):
        return json.dumps(content).encode()
    return msgspec.json.encode(content)


def _shape(boundary: "Webhook", type: str, event_id: str, object_id: str, at: datetime) -> object:
    scheme, pins = boundary.sender.scheme, boundary.sender.pins
    repeated = {pin.name: pins[pin.name] for pin in scheme.pins if pin.of and pin.name in pins}
    if scheme.name not in SHAPES and not scheme.signed_type:
        raise ValueError(
            f"{scheme.name}: an event of type {type!r} has a shape of its own. "
            "Pass content= as the sender writes it."
        )
    return SHAPES.get(scheme.name, plain)(Told(type, event_id, object_id, at, repeated, pins))
