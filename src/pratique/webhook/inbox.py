"""Inbox mode: a delivery is kept with what its proof needs, and crosses as of its receipt."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import replace

from pratique.core.callback import Callback
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import KEY_DIGITS, Crossing
from pratique.core.inbox import Delivery, async_inbox_of, inbox_of
from pratique.core.obligation import UNIQUE
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.store import Store

from .opened import Grade
from .scheme import Scheme

ATTEMPTS: Final = 20
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=4)
"""Twenty attempts take about a day: half a pause to a whole one, doubled from 5 s to 4 h."""
LEASE: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=7)
ACCEPTED: Final = 202
"""RFC 9110 §15.3.3: taken in, and not acted upon yet."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """Keep each delivery and answer 202; workers let it cross.

    What is kept is the claim, never something proven: at its crossing it is authentic once more,
    fresh as of its receipt, confirmed at its source at that moment.

    Args:
        tell: (id) -> told after the commit that keeps a delivery, for a queue of your own; what it
            raises is recorded, and the delivery stays. Or (id, session) -> done in that commit, for
            a queue in the same database; what it raises undoes the delivery, and the sender is
            asked to retry. None: workers look by themselves.
        attempts: After so many a delivery is a dead letter. A mismatch, and what is refused for
            good, is one at once.
        first_pause: After the first attempt that didn't end it. Each further pause is twice as
            long, and a random part of at most half of it is left out.
        longest_pause: No pause is longer.
        lease: How long a worker has a delivery. Another one takes it over then: a killed worker
            loses nothing. Longer than the perimeter's deadline.
        kept: How long a row stays once it is done, without its content; `Webhook.sweep` deletes it.
    """

    tell: Callable[..., object] | None = None
    attempts: int = ATTEMPTS
    first_pause: timedelta = FIRST_PAUSE
    longest_pause: timedelta = LONGEST_PAUSE
    lease: timedelta = LEASE
    kept: timedelta = KEPT

    def debts(self) -> Iterator[str]:
        """Yield what is wrong with these figures, one sentence each."""
        if self.attempts < 1:
            yield f"Inbox(attempts={self.attempts}) works nothing."
        spans = {
            "first_pause": self.first_pause,
            "longest_pause": self.longest_pause,
            "lease": self.lease,
        }
        yield from (
            f"Inbox({name}={span}) is not above zero."
            for name, span in spans.items()
            if span <= timedelta(0)
        )
        if self.kept < timedelta(0):
            yield f"Inbox(kept={self.kept}) is below zero."
        if self.longest_pause < self.first_pause:
            yield "Inbox(longest_pause=…) is shorter than first_pause."

    def pause(self, attempts: int, chance: float) -> timedelta:
        """Return how long a delivery waits after so many attempts.

        Args:
            attempts: One or more.
            chance: From 0 to 1: deliveries that failed together don't come back together.
        """
        doubled = 2.0 ** min(attempts - 1, 40)
        whole = min(self.first_pause.total_seconds() * doubled, self.longest_pause.total_seconds())
        return timedelta(seconds=whole * (1 - chance / 2))


def told(call: Callable[..., object] | None, boundary: str) -> Callback | None:
    """Look at what tells a queue. BoundaryError: it takes another number of arguments."""
    return Callback.if_given(call, arguments=1, role=f'Boundary "{boundary}": Inbox(tell=…)')


def inbox_debts(
    inbox: Inbox,
    tell: Callback | None,
    store: Store | None,
    *,
    grade: str,
    observes: bool,
    deadline: timedelta | None,
) -> Iterable[str]:
    """Yield what stands in the way of keeping deliveries, one sentence each with its mend."""
    yield from inbox.debts()
    if deadline is not None and inbox.lease <= deadline:
        yield (
            f"Inbox(lease={inbox.lease}) isn't longer than the perimeter's deadline, {deadline}: a "
            "second worker would take over what the first one still proves."
        )
    if store is None or not has_inbox(store):
        lacks = "there is none" if store is None else f"the store {store.name} can't"
        yield (
            f"inbox= keeps deliveries in the perimeter's store, and {lacks}. Use stores.postgres, "
            "stores.sqlalchemy, stores.sqlite3, stores.sqlite, stores.redis, or Django's."
        )
    elif tell is not None and tell.wants_session and not store.has_session:
        yield (
            f"Inbox(tell={tell.where}) wants a session, and the store {store.name} has none. "
            "Take the id alone: it is told after the commit."
        )
    elif tell is not None and tell.is_async and store.asynchronous is None:
        yield (
            f"Inbox(tell={tell.where}) is async, and the store {store.name} is sync. "
            "Make it a plain def: it runs on a thread of the pool."
        )
    if observes:
        yield "inbox= and observe= don't go together: what only observes keeps nothing."
    if grade not in ("signed", "weak"):
        yield (
            f"inbox= would write the secret itself to the database: the sender's grade is {grade}, "
            "its deliveries carry it or nothing. Leave inbox= out, or let the sender sign."
        )


def has_inbox(store: Store) -> bool:
    """Say whether a store keeps deliveries."""
    return inbox_of(store.sync) is not None or async_inbox_of(store.asynchronous) is not None


def keeping(store: Store, tell: Callback | None) -> Callback:
    """Return what keeps a delivery, as a callable that the drivers ask: (delivery) -> is new."""
    within = tell.call if tell is not None and tell.wants_session else None
    mine = inbox_of(store.sync)
    if mine is not None:

        def put(delivery: Delivery) -> bool:
            return mine.put(delivery, within)

        return Callback(put, is_async=False, wants_session=False, where="the inbox")
    theirs = async_inbox_of(store.asynchronous)
    if theirs is None:
        raise BoundaryError(f"the store {store.name} keeps no inbox.")

    async def aput(delivery: Delivery) -> bool:
        return await theirs.put(delivery, within)

    return Callback(aput, is_async=True, wants_session=False, where="the inbox")


class Noting:
    """A claim that is looked at once, and notes which of its fields are.

    Args:
        claim: As it came.
    """

    def __init__(self, claim: Claim) -> None:
        self._asked: set[str] = set()
        self._lines = claim.fields
        self.claim = replace(claim, fields=_NotingFields(claim.fields, self._asked))

    def delivery(self, crossing: Crossing, scheme: Scheme) -> Delivery:
        """Return what is kept: content, the fields that were looked at, and when it came.

        Args:
            crossing: Authentic and fresh by now.
            scheme: Below grade `signed`, and where one signed text has several readings, whoever
                holds one honest delivery can send its key with another content or query; where the
                type isn't signed, with another type. That is another row, and the honest one isn't
                turned away.
        """
        claim = crossing.claim
        via, lines = claim.via, Fields(each for each in self._lines if self._is_needed(each[0]))
        mark = sha256(crossing.key)
        if scheme.grade is not Grade.SIGNED or scheme.ambiguous:
            mark.update(sha256(claim.content).digest())
            mark.update(repr((via.target, *lines)).encode())
        elif scheme.type_field:
            mark.update(repr(lines.all(scheme.type_field)).encode())
        return Delivery(
            mark.hexdigest()[:KEY_DIGITS],
            crossing.boundary.name,
            crossing.key,
            claim.content,
            lines,
            claim.received_at,
            Via(via.peer, via.scheme, via.method, via.target),
            crossing.id,
        )

    def _is_needed(self, name: str) -> bool:
        return name.lower() in self._asked


def claim_of(delivery: Delivery) -> Claim:
    """Return a kept delivery as the claim that came."""
    return Claim(delivery.content, delivery.fields, delivery.received_at, delivery.via)


def received(*, is_new: bool) -> Refused:
    """Return how a receipt ends: taken in, proven of nothing yet. Its sender hears 202."""
    if is_new:
        return Refused(
            UNIQUE,
            "it is kept for a worker",
            code="received",
            answer=Answer.ACKNOWLEDGE,
            status=ACCEPTED,
        )
    return Refused(
        UNIQUE,
        "it was kept before",
        code="received_before",
        answer=Answer.ACKNOWLEDGE,
        status=ACCEPTED,
    )


class _NotingFields(Fields):
    """Fields that note the names that are asked for."""

    __slots__ = ("_asked",)

    def __init__(self, fields: Fields, asked: set[str]) -> None:
        super().__init__(fields)
        self._asked = asked

    def one(self, name: str) -> str | None:
        self._asked.add(name.lower())
        return super().one(name)

    def all(self, name: str) -> tuple[str, ...]:
        self._asked.add(name.lower())
        return super().all(name)

    def __contains__(self, name: object) -> bool:
        self._asked.add(str(name).lower())
        return super().__contains__(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        self._asked.update(super().by_name)
        return super().__iter__()

    @property
    def by_name(self) -> Mapping[str, str | tuple[str, ...]]:
        return _NotingIndex(super().by_name, self._asked)


class _NotingIndex(Mapping[str, Any]):
    def __init__(self, index: Mapping[str, Any], asked: set[str]) -> None:
        self._index, self._asked = index, asked

    def __getitem__(self, name: str) -> Any:
        self._asked.add(name)
        return self._index[name]

    def __iter__(self) -> Iterator[str]:
        self._asked.update(self._index)
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)
