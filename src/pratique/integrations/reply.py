"""The answer to a crossing, as status, fields and content: the same through every door."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pratique.core.boundary import Receipt
from pratique.core.refusal import Answer, Refused

CROSSING_FIELD: Final = "crossing-id"


class Reply:
    """An answer as status, fields and content: what a framework's own response is made of."""

    __slots__ = ("content", "fields", "shadowed", "status")

    def __init__(self, status: int, fields: Mapping[str, str], content: bytes) -> None:
        self.status = status
        self.fields = dict(fields)
        self.content = content
        self.shadowed: bytes | None = None
        """The content, where the boundary only observed: what was there before it decides."""


def accepted(crossing_id: str, status: int = 200, *, receipt: Receipt | None = None) -> Reply:
    """Return the answer to a delivery that crossed, that changes nothing more, or that is kept.

    The first two look alike to the sender.

    Args:
        crossing_id: Of the crossing.
        status: 202 where it is kept.
        receipt: `Boundary.receipt`.
    """
    content, kind = receipt or (b"{}", "application/json")
    return Reply(status, {"content-type": kind, CROSSING_FIELD: crossing_id}, content)


def refusal(refused: Refused) -> Reply:
    """Return the answer to a refusal: an RFC 9457 problem, or 2xx where it is only acknowledged."""
    if refused.answer is Answer.ACKNOWLEDGE:
        reply = accepted(refused.crossing_id, refused.status)
        if refused.content:  # a text that somebody asked for is never sniffed, run or kept
            reply.content = refused.content
            reply.fields |= refused.fields
            reply.fields |= {"cache-control": "no-store", "x-content-type-options": "nosniff"}
        return reply
    fields = {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        CROSSING_FIELD: refused.crossing_id,
    }
    fields.update(refused.fields)
    if refused.status == 401:  # noqa: PLR2004  RFC 9110 §15.5.2: a 401 names a challenge
        fields["www-authenticate"] = refused.challenge or "Signature"
    if refused.retry_after is not None:
        fields["retry-after"] = str(max(1, round(refused.retry_after / timedelta(seconds=1))))
    return Reply(refused.status, fields, json.dumps(refused.problem()).encode())


def told(content: bytes, crossing_id: str) -> Reply:
    """Return the answer of a one-time action: the handler's, as JSON, for nobody else's cache."""
    fields = {
        "content-type": "application/json",
        "cache-control": "no-store",
        CROSSING_FIELD: crossing_id,
    }
    return Reply(200, fields, content)


def not_there() -> Reply:
    """Return the answer of a boundary that is declared and disabled."""
    fields = {"content-type": "application/problem+json"}
    return Reply(404, fields, b'{"title": "Not found", "status": 404}')
