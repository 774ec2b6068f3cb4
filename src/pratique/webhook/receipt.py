"""What the answer of a receiver says of a delivery: taken, again, stop, or never again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from pratique.core.claim import Fields
from pratique.core.obligation import ALLOWED, VALID
from pratique.core.refusal import Answer, Refused
from pratique.core.retry_after import retry_after

SHORTEST_PAUSE: Final = timedelta(seconds=1)
LONGEST_PAUSE: Final = timedelta(days=1)
"""Whoever asks for more gets this: the longest step of Standard Webhooks' example schedule."""
USUAL_PAUSE: Final = timedelta(seconds=60)
"""After a 429 that names no time."""
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
_MAY_PASS: Final = frozenset(
    {
        "bad_certificate",
        "bad_http",
        "body_across_origins",
        "downgrade",
        "endpoint_refuses",
        "redirected",
        "too_many_redirects",
        "unknown_host",
    }
)
"""Rejected now; the customer, or whoever runs the name, may have mended it at the next attempt."""


class Next(StrEnum):
    """What becomes of a delivery that was refused."""

    AGAIN = "again"
    """Send it again under the same key, as long as your schedule lasts."""
    STOP = "stop"
    """Sending it again changes nothing: the URL leads where it may not, or the mistake is ours."""
    DISABLE = "disable"
    """The receiver wants nothing any more: send nothing to this endpoint."""


def next_step(refused: Refused) -> Next:
    """Say what becomes of a delivery that `Outgoing.send` refused. What isn't known is STOP.

    Source: Standard Webhooks 1.0.0, "Delivery success and failure".
    """
    if refused.code == "endpoint_gone":
        return Next.DISABLE
    if refused.answer is Answer.RETRY or refused.code in _MAY_PASS:
        return Next.AGAIN
    return Next.STOP


def require_taken(status: int, fields: Fields, *, hops: Iterable[str], at: datetime) -> None:
    """Refuse a delivery that the receiver hasn't taken: 2xx alone says that it has.

    Args:
        status: Of the last answer.
        fields: Its header fields.
        hops: The URLs before it.
        at: When it came, UTC.

    Raises:
        Refused: ALLOWED, code "redirected"; VALID, code "endpoint_gone" (410), "endpoint_busy"
            (429, or a Retry-After beside another status that passes), "endpoint_unavailable" (5xx,
            408, 425), "endpoint_refuses".

    Source: Standard Webhooks 1.0.0, "Delivery success and failure"; RFC 9110 §15.
    """
    if tuple(hops):
        # After a 301, 302 or 303 it is a GET without the content that was answered with 2xx.
        raise Refused(
            ALLOWED,
            "the endpoint redirects: what answered may not have had the content",
            code="redirected",
            hint="let the customer register the URL that it leads to",
            status=502,
        )
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    detail = f"the endpoint answers with status {status}"
    if status == HTTPStatus.GONE:
        hint = "disable the endpoint, and tell the customer"
        raise Refused(VALID, detail, code="endpoint_gone", hint=hint, status=502)
    pause = _pause(fields, at)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise _busy(detail, pause or USUAL_PAUSE)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        if pause is not None:
            raise _busy(detail, pause)
        raise Refused(VALID, detail, code="endpoint_unavailable", answer=Answer.RETRY)
    raise Refused(VALID, detail, code="endpoint_refuses", status=502)


def _busy(detail: str, pause: timedelta) -> Refused:
    return Refused(VALID, detail, code="endpoint_busy", answer=Answer.RETRY, retry_after=pause)


def _pause(fields: Fields, at: datetime) -> timedelta | None:
    asked = retry_after(fields, at=at)
    return None if asked is None else min(max(asked, SHORTEST_PAUSE), LONGEST_PAUSE)
