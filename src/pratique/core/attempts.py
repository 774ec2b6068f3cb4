"""How often somebody may try: counted before anything is compared, whatever comes of it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from .obligation import ALLOWED
from .question import Count, Flow, Uncount
from .refusal import TOO_MANY, BoundaryError, Refused
from .store import Counted

IN_ALL: Final = 4
"""How many times the limit of one object a principal has for all objects of an action."""


@dataclass(frozen=True, slots=True)
class Attempts:
    """A limit for one principal, counted in the store.

    Args:
        limit: Attempts at one object in a window. A code of six digits that is tried 5 times is
            guessed once in 200,000 windows.
        per: The window. It begins with the first attempt.
        in_all: Attempts at all objects of the action together, so that a code that names the object
            (a coupon) can't be guessed either, and no store is filled. Four times *limit* by
            default.

    Raises:
        BoundaryError: a number or a window that admits nothing, or *in_all* below *limit*.

    Source: OWASP API2:2023; OWASP ASVS 5.0 §6.5; CWE-307, CWE-799.
    """

    limit: int
    per: timedelta = timedelta(minutes=15)
    in_all: int = 0

    def __post_init__(self) -> None:
        """Look at the numbers once."""
        if self.in_all == 0:
            object.__setattr__(self, "in_all", self.limit * IN_ALL)
        if not 0 < self.limit <= self.in_all or self.per < timedelta(seconds=1):
            raise BoundaryError(
                f"Attempts({self.limit}, per={self.per}, in_all={self.in_all}): the limit is above "
                "zero and at most in_all=, the window one second at least."
            )

    def count(self, whole: bytes, one: bytes) -> Flow[None]:
        """Count one attempt.

        Args:
            whole: The key of a principal and an action.
            one: The same with the object; b"" for an action without one.

        Raises:
            Refused: ALLOWED, code "too_many_attempts" (429). It says nothing of the object.
        """
        # The whole first: past it no row is written for another object.
        limits = ((whole, self.in_all), (one, self.limit)) if one else ((whole, self.limit),)
        for key, most in limits:
            counted: Counted = yield Count(key, self.per)
            if counted.times > most:
                raise Refused(
                    ALLOWED,
                    f"it was tried more than {most} times in {self.per}",
                    code="too_many_attempts",
                    hint="somebody guesses, or a client retries without an Idempotency-Key",
                    status=TOO_MANY,
                    retry_after=counted.ends_in,
                )

    def succeeded(self, whole: bytes, one: bytes) -> Flow[None]:
        """Begin anew for the object, and take this attempt back from the whole."""
        if one:
            yield Uncount(whole, 1)
        yield Uncount(one or whole, self.limit)

    def repeated(self, whole: bytes, one: bytes) -> Flow[None]:
        """Take back this attempt alone: an answer that is told again is no success of now."""
        for key in (whole, one):
            if key:
                yield Uncount(key, 1)
