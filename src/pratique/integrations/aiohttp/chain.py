"""The hops of one call of a session, a crossing together; what is refused is aiohttp's own too."""

from contextvars import ContextVar
from typing import Final, NoReturn

import aiohttp

from pratique.core.closing import refusal_record
from pratique.core.crossing import Crossing
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED, AUTHENTIC, BIT, VALID
from pratique.core.refusal import Refused
from pratique.fetch import Target
from pratique.fetch.adapting import FOR_TIME, Base

_CONNECTED: Final = BIT[AUTHENTIC] | BIT[ALLOWED]


class RefusedByPolicy(Refused, aiohttp.ClientConnectionError):
    """A refusal that is aiohttp's ClientConnectionError too."""

    def __init__(self, refused: Refused) -> None:
        Refused.__init__(self, **refused.facts())


class OverDeadline(RefusedByPolicy, aiohttp.ServerTimeoutError):
    """A refusal for time that is aiohttp's ServerTimeoutError, so a TimeoutError, too."""


class TooLate:
    """Stands for a connection that wasn't made in time, and says so when it is used.

    aiohttp takes each TimeoutError of `connect` for its own, and it would be no refusal any more.
    """

    def __init__(self, refused: OverDeadline) -> None:
        self.protocol = self
        self._refused = refused

    def set_response_params(self, **_: object) -> NoReturn:
        """Raise the refusal: it is the first thing that aiohttp asks of a connection."""
        raise self._refused


class Chain:
    """The hops of one call of a session, a crossing together.

    aiohttp makes one list of traces for each call: by that its hops know each other.
    """

    __slots__ = (
        "_base",
        "_crossing",
        "ends_at",
        "has_left",
        "hops",
        "is_told",
        "target",
        "traces",
    )

    def __init__(self, base: Base, traces: object, ends_at: float) -> None:
        self.traces, self.ends_at = traces, ends_at
        self.target: Target | None = None
        self.hops = 0
        self.has_left = False
        """A hop led to another origin: aiohttp gives the caller's fields to each hop anew."""
        self._base = base
        self._crossing = Crossing(base.boundary, base.boundary.claim(""))
        self._crossing.declaration = base.boundary.declarations()[0]
        self.is_told = False

    def refused(self, refused: Refused) -> RefusedByPolicy:
        """Record a refusal, once, and return it as aiohttp's own."""
        error = as_aiohttp(refused)
        error.crossing_id = self._crossing.id
        if not self.is_told:
            self.is_told = True
            self._base.recorder.emit(refusal_record(self._crossing, refused)[0], sample=False)
        return error

    def connected(self) -> None:
        """Note that the host is the one that was asked for."""
        self._crossing.done |= _CONNECTED

    def proven(self) -> None:
        """Record that the content came to its end within its bounds."""
        if not self.is_told:
            self.is_told = True
            self._crossing.discharge(VALID)
            self._base.recorder.emit(self._crossing.record(Outcome.PROVEN), sample=False)


def as_aiohttp(refused: Refused) -> RefusedByPolicy:
    """Return a refusal as aiohttp's own exception."""
    return (OverDeadline if refused.code in FOR_TIME else RefusedByPolicy)(refused)


def ungated() -> RefusedByPolicy:
    """Return the refusal of a connection that nobody asked `FetchConnector.connect` for."""
    refused = Refused(
        ALLOWED,
        "a part of the connector is used without its gate",
        code="ungated",
        hint="ask with a ClientSession that has the connector, and call none of its parts by hand",
        status=500,
    )
    return as_aiohttp(refused)


watching: Final[ContextVar[bool]] = ContextVar("pratique_aiohttp_watching", default=False)
"""Set while a policy only observes: aiohttp resolves, connects and reads as it would by itself."""
chain_in_hand: Final[ContextVar[Chain | None]] = ContextVar("pratique_aiohttp_chain", default=None)
"""The call whose hop connects here; aiohttp hands nothing through from `connect` to its parts."""
