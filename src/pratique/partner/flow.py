"""One question to a partner as pure logic: go there, read the answer, prove it."""

from collections.abc import Collection
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, ClassVar, Final, TypeVar

from pratique.core.callback import not_a_bool
from pratique.core.claim import Fields
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, BIT, CONFIRMED, FRESH, LINKED, VALID, Obligation
from pratique.core.proofs.authentic.rfc9421 import ResponseSignature
from pratique.core.proofs.fresh import require_fresh
from pratique.core.proven import Proven
from pratique.core.question import LATER, Ask, Decide, Flow
from pratique.core.refusal import Answer, Refused
from pratique.core.retry_after import retry_after
from pratique.fetch.budget import Budget
from pratique.fetch.flow import content_of, require_type, travel
from pratique.fetch.policy import FetchPolicy

from .asked import Question
from .echo import require_no_echo
from .signed import signed_content
from .terms import Contract

T = TypeVar("T")
MAX_LEAD: Final = timedelta(seconds=60)
"""How far a partner's clock may be ahead of ours."""
LONGEST_PAUSE: Final = timedelta(hours=1)
"""Whoever asks us to stay away for longer gets this."""
_WITH_CONTENT: Final = frozenset({HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED})
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class About(Ask, frozen=True):
    """(answer, what was asked): is it about that?"""

    obligation: ClassVar[Obligation] = LINKED


class AsOf(Ask, frozen=True):
    """(answer): of when is it, by its own words?"""

    obligation: ClassVar[Obligation] = FRESH


class Second(Ask, frozen=True):
    """(answer): does a second source, or our own record, say so too?"""

    obligation: ClassVar[Obligation] = CONFIRMED


def answered(
    crossing: Crossing,
    contract: Contract[T],
    asked: Question,
    *,
    policy: FetchPolicy,
    budget: Budget,
    ours: Collection[bytes],
    signature: ResponseSignature | None = None,
) -> Flow[Proven[T]]:
    """Ask, and prove what comes back.

    Args:
        crossing: Of the claim that the answer is.
        contract: What it must satisfy.
        asked: What was asked.
        policy: Where the question may lead.
        budget: What it may spend.
        ours: Secrets of ours, which no answer repeats.
        signature: What its signature must be, where the partner signs its answers.

    Raises:
        Refused: what any of the proofs refuses; VALID, code "fetch_deadline", also where a callable
            of ours came back too late.
    """
    arrived = yield from travel(crossing, policy)
    head = arrived.head
    crossing.discharge(FRESH)
    require_status(head.status, head.fields, at=crossing.claim.received_at)
    require_type(head.status, head.fields, policy)
    require_utf8(head.fields)
    if signature is None:
        content = yield from content_of(head, policy, budget)
    else:
        content = yield from signed_content(
            crossing, arrived, signature, policy=policy, budget=budget
        )
    require_no_echo(content, ours)
    answer, surplus = contract.answer.read(content)
    crossing.discharge(VALID)
    if surplus:
        crossing.remark = ("drift", f"members that no field takes: {', '.join(surplus)}")
    if contract.about is not None:
        told = yield About(contract.about, (answer, asked.words))
        _require(told, LINKED, "not_about_it", "the answer isn't about what was asked")
        crossing.discharge(LINKED)
    if contract.as_of is not None and contract.max_age is not None:
        said: object = yield AsOf(contract.as_of, (answer,))
        _require_recent(said, crossing.claim.received_at, contract.max_age)
    if contract.confirm is not None and not crossing.excused & BIT[CONFIRMED]:
        told = yield Second(contract.confirm, (answer,))
        _require(told, CONFIRMED, "not_confirmed", "the second source doesn't say so")
        crossing.discharge(CONFIRMED)
    if contract.limits is not None:
        told = yield Decide(contract.limits, (answer,))
        _require(told, ALLOWED, "over_limits", "the answer is outside our business limits")
    crossing.discharge(ALLOWED)
    budget.left()  # a callable of ours that waited: what is late is not believed
    return crossing.prove(answer)


def require_status(status: int, fields: Fields, *, at: datetime) -> None:
    """Refuse an answer that isn't one: an error, a redirect, nothing.

    Args:
        status: Of the last answer.
        fields: Its header fields.
        at: When it was asked for, UTC: a date in Retry-After is counted from here.

    Raises:
        Refused: VALID, code "partner_unavailable" (5xx, 408, 429: worth another try; with
            Retry-After "partner_busy"), "partner_denies" (401, 403), "partner_has_none" (404,
            410), "partner_status".

    Source: RFC 9110 §15.
    """
    if status in _WITH_CONTENT:
        return
    detail = f"the partner answers with status {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER:
        asked = retry_after(fields, at=at)
        if asked is None:
            raise Refused(VALID, detail, code="partner_unavailable", answer=Answer.RETRY)
        pause = min(asked, LONGEST_PAUSE)
        raise Refused(
            VALID,
            f"{detail} and asks us to wait {pause.total_seconds():.0f} s",
            code="partner_busy",
            answer=Answer.RETRY,
            retry_after=pause,
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        hint = "look whether the credential of this boundary is still in force"
        raise Refused(VALID, detail, code="partner_denies", hint=hint)
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise Refused(VALID, detail, code="partner_has_none")
    raise Refused(VALID, detail, code="partner_status")


def require_utf8(fields: Fields) -> None:
    """Refuse an answer that says it is in another charset. Source: RFC 8259 §8.1.

    Raises:
        Refused: VALID, code "charset".
    """
    _, _, parameters = (fields.one("Content-Type") or "").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            continue
        if value.strip().strip('"').lower() not in ("utf-8", "utf8", "us-ascii"):
            raise Refused(
                VALID,
                "the answer's charset isn't UTF-8",
                code="charset",
                hint="RFC 8259 knows UTF-8 alone: tell the partner",
            )


def _require(told: Any, obligation: Obligation, code: str, detail: str) -> None:
    if told is True:
        return
    if told is LATER:
        raise Refused(obligation, "not there yet", code="later", answer=Answer.RETRY)
    if told is not False and told is not None:
        raise not_a_bool(obligation, "the callable that judges it", told)
    raise Refused(obligation, detail, code=code)


def _require_recent(said: object, at: datetime, max_age: timedelta) -> None:
    if not isinstance(said, datetime) or said.tzinfo is None:
        raise Refused(
            FRESH,
            "the answer's own time is none with a zone",
            code="no_time",
            hint="declare the field as Annotated[datetime, msgspec.Meta(tz=True)]",
        )
    require_fresh(said, at=at, tolerance=max_age, lead=MAX_LEAD)
