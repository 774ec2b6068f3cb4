"""What one fetch may still spend: seconds on the wall clock, bytes on the wire."""

from contextvars import ContextVar
from time import monotonic
from typing import Final

from pratique.core.obligation import VALID
from pratique.core.refusal import Answer, Refused

FOR_TIME: Final = frozenset({"fetch_deadline", "lookup_timeout"})
"""Codes of the refusals for time: a client's own exception for them is its time-out."""


FRAMING: Final = 256 * 1024
"""Bytes that heads, interim answers and the marks of chunks may take beside the content, and a
quarter of the content's cap: what is sent honestly needs far less, a flood of them has no end."""


class Budget:
    """The limits of one fetch, over all its hops.

    A timeout for each read lets a sender drip a byte a second for ever (CWE-400): every wait takes
    what is left of one deadline.

    Args:
        seconds: From now to the end.
        wire_bytes: Content as it is sent, before it is decoded.
        principal: Whose lookups are counted together.
    """

    __slots__ = ("ends_at", "principal", "seconds", "unheard", "wire_bytes", "wire_limit")

    def __init__(self, seconds: float, wire_bytes: int, principal: str = "") -> None:
        self.seconds = seconds
        self.ends_at = monotonic() + seconds
        self.wire_bytes = wire_bytes
        self.wire_limit = wire_bytes
        self.unheard = wire_bytes + wire_bytes // 4 + FRAMING
        self.principal = principal

    @property
    def is_over(self) -> bool:
        """Say whether no seconds are left."""
        return monotonic() >= self.ends_at

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            Refused: VALID, code "fetch_deadline": none are.
        """
        left = self.ends_at - monotonic()
        if left <= 0:
            raise too_slow(self.seconds)
        return left

    def take(self, count: int) -> None:
        """Spend bytes of content. Raises Refused VALID, code "too_large_on_the_wire"."""
        self.wire_bytes -= count
        if self.wire_bytes < 0:
            raise too_large_on_the_wire(self.wire_limit)

    def heard(self, data: bytes) -> bytes:
        """Count what came from the network, whatever it is for, and give it back.

        The marks of chunks and interim answers are sent as well as the content.

        Raises:
            Refused: VALID, code "too_large_on_the_wire".
        """
        self.unheard -= len(data)
        if self.unheard < 0:
            raise too_large_on_the_wire(self.wire_limit)
        return data


def too_large_on_the_wire(limit: int) -> Refused:
    """Return the refusal of an answer that is over its cap as it is sent."""
    return Refused(
        VALID,
        f"the answer has more than {limit} bytes on the wire",
        code="too_large_on_the_wire",
        hint="raise FetchPolicy(max_wire_bytes=…) if such answers are wanted",
        status=502,
    )


def too_slow(seconds: float) -> Refused:
    """Return the refusal of a fetch that is over its deadline."""
    return Refused(
        VALID,
        f"the fetch wasn't done within {seconds:g} s",
        code="fetch_deadline",
        hint="raise FetchPolicy(deadline=…) if such senders are wanted",
        answer=Answer.RETRY,
    )


current: Final[ContextVar[Budget | None]] = ContextVar("pratique_fetch_budget", default=None)
"""The budget of the fetch that runs here: connections are shared, their waits are not."""
