"""A delivery of a webhook as its sender signs it, in the shape that a test client takes."""

import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pratique.core.attack import Request
from pratique.core.claim import Claim, Fields

if TYPE_CHECKING:  # what is off imports little: the plugin is loaded in every run
    from pratique.webhook import Webhook

JSON: Final = "application/json"


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
        content = _shape(boundary, type, event_id, object_id)
    raw = _raw(content)
    lines = [("Content-Type", JSON), *fields]
    if scheme.name == "github":
        lines.append(("X-GitHub-Event", type))
    lines += _sealed(boundary, raw, event_id, secret, at)
    envelope = scheme.envelope(Claim(raw, Fields(lines), at))
    if envelope is None or envelope.type != type:
        raise ValueError(
            f"{scheme.name}: the content isn't one of its events of type {type!r}. "
            "Pass content= as the sender writes it."
        )
    return Delivery(content=raw, headers=lines)


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
) -> list[tuple[str, str]]:
    scheme = boundary.sender.scheme
    if secret is None:
        return list(scheme.seal(raw, secret=live_secret(boundary), at=at, key=event_id))
    try:
        return list(scheme.seal(raw, secret=secret, at=at, key=event_id))
    except ValueError:  # not in the sender's form, as "wrong" is not: one that follows from it is
        digest = b64encode(sha256(secret.encode()).digest()).decode()
        return list(scheme.seal(raw, secret=f"whsec_{digest}", at=at, key=event_id))


def _raw(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Mapping):
        return json.dumps(content).encode()
    return msgspec.json.encode(content)


def _shape(boundary: "Webhook", type: str, event_id: str, object_id: str) -> dict[str, Any]:
    pins = boundary.sender.pins
    known = _SHAPES.get(boundary.sender.scheme.name)
    if known is None and not boundary.sender.scheme.signed_type:
        raise ValueError(
            f"{boundary.sender.scheme.name}: an event of type {type!r} has a shape of its own. "
            "Pass content= as the sender writes it."
        )
    return (known or _any)(type, event_id, object_id, pins)


def _any(type: str, event_id: str, object_id: str, pins: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": event_id, "type": type, "data": {"id": object_id}, **pins}


def _stripe(type: str, event_id: str, object_id: str, pins: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"object": "event", "id": event_id, "type": type}
    return {**told, "data": {"object": {"id": object_id}}, **pins}


def _slack(type: str, event_id: str, object_id: str, pins: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"type": "event_callback", "event_id": event_id, "team_id": "T0000001"}
    return {**told, "event": {"type": type, "item": object_id}, **pins}


_SHAPES: Final[dict[str, Callable[[str, str, str, Mapping[str, Any]], dict[str, Any]]]] = {
    "stripe": _stripe,
    "slack": _slack,
    "standard-webhooks": _any,
}
