"""What a flow can ask of its driver.

One type a question, each with the obligation that its answer serves.
"""

from collections.abc import Callable, Generator
from datetime import timedelta
from enum import Enum
from typing import Any, ClassVar, Final, Protocol, TypeVar

import msgspec

from .callback import Callback
from .event import Record
from .obligation import Obligation
from .store import Kept

T = TypeVar("T")
Flow = Generator["Question", Any, T]
"""A crossing as pure logic.

It yields questions, is sent answers, returns its result or raises Refused.
"""


class Later(Enum):
    """The type of `LATER`."""

    LATER = "later"


class Ignore(Enum):
    """The type of `IGNORE`."""

    IGNORE = "ignore"


LATER: Final = Later.LATER
"""A callable's answer "not there yet": the sender is asked to retry."""
IGNORE: Final = Ignore.IGNORE
"""A callable's answer "this is nothing for us": acknowledged, no effect, no dead letter."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """Something that a flow can't know by itself.

    Rooms add their own; a driver is handed their answers.
    """

    obligation: ClassVar[Obligation] = Obligation.VALID


class Ask(Question, frozen=True, gc=False):
    """A question that one of our user's callables answers."""

    call: Callback
    args: tuple[object, ...]


class Confirm(Ask, frozen=True, gc=False):
    """(event): does the source of truth say so too? Remote, outside any transaction."""

    obligation: ClassVar[Obligation] = Obligation.CONFIRMED


class Name(Ask, frozen=True, gc=False):
    """(confirmed): which business object is it, once only? Before the transaction: `Lookup`."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE


class Begin(Question, frozen=True, gc=False):
    """Open the effect's transaction: is it the first time for all of these keys?

    The record lies beside the last key from the start: a refusal takes both back.

    Answer: None, or the first used before.
    """

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    keys: tuple[bytes, ...]
    record: Record


class Lookup(Ask, frozen=True, gc=False):
    """(confirmed): which row of ours does it belong to? Locked until the transaction ends.

    Asked while none is open, a callable that takes a session is given one to read with.
    """

    obligation: ClassVar[Obligation] = Obligation.LINKED


class Decide(Ask, frozen=True, gc=False):
    """(confirmed, row): is it legal from the state that the row is in now?"""

    obligation: ClassVar[Obligation] = Obligation.ALLOWED


class Act(Ask, frozen=True, gc=False):
    """(admitted): do it.

    Where a transaction is open, commit it: effect, answer, single use and event together. No proof
    is asked for after this. Answer: what `answer` made of what the callable returned.
    """

    answer: Callable[[object], Kept] | None = None
    """(what the callable returned) -> what is kept, and given to the caller."""
    key: bytes = b""
    """The key of the transaction beside which it is kept; b"" where no key asked for it."""


class Hand(Ask, frozen=True, gc=False):
    """Hand something on outside any transaction: a delivery to the inbox, its id to a queue."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE


class Finish(Question, frozen=True, gc=False):
    """Say in the open transaction that nothing is left to do of a kept delivery.

    Answer: whether the token was still in force.
    """

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    id: str
    token: int


class Recall(Question, frozen=True, gc=False):
    """Look in the open transaction at what lies beside a settled key. Answer: Kept or None."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    key: bytes


class Undo(Question, frozen=True, gc=False):
    """Roll the open transaction back and record how it ended: there is nothing to do again."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    record: Record


class Count(Question, frozen=True, gc=False):
    """Count an attempt, durably and whatever comes of it. Answer: Counted."""

    obligation: ClassVar[Obligation] = Obligation.ALLOWED
    key: bytes
    window: timedelta


class Uncount(Question, frozen=True, gc=False):
    """Take counts back, after a success; a store that can't is no failure."""

    obligation: ClassVar[Obligation] = Obligation.ALLOWED
    key: bytes
    times: int


class Renewable(Protocol):
    """Something remote whose snapshot can be taken anew: the keys of an issuer."""

    def refresh(self, name: str | None) -> None:
        """Look whether there is something newer, for the sake of *name*. It may raise Refused."""
        ...

    async def arefresh(self, name: str | None) -> None:
        """Do the same on the event loop."""
        ...


class Refresh(Question, frozen=True, gc=False):
    """Take a remote source's snapshot anew: something names what the present one doesn't have."""

    obligation: ClassVar[Obligation] = Obligation.AUTHENTIC
    source: Renewable
    name: str | None


class Hold(Question, frozen=True, gc=False):
    """Take the key for a lease. Answer: Held, Settled, Busy or Conflict."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    key: bytes
    fingerprint: bytes = b""


class Settle(Question, frozen=True, gc=False):
    """Make the hold final. Answer: whether its token was still in force."""

    obligation: ClassVar[Obligation] = Obligation.UNIQUE
    key: bytes
    token: int
    result: bytes = b""
    is_last: bool = True
    """Write the crossing's record with this one."""
