"""What a policy may answer instead of a bare bool: the decision, with what it was decided by."""

from typing import Protocol, runtime_checkable

import msgspec

from .roots import Root


class Decision(msgspec.Struct, frozen=True, gc=False):
    """May they? And by which of our policies: that goes into the event, never to the caller.

    It is as true as its answer, so that `if policy(…):` means what it says.

    Attributes:
        is_allowed: Exactly True allows.
        reasons: Names of policies, or a decision point's own words, short and escaped.
    """

    is_allowed: bool
    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Say whether it allows."""
        return self.is_allowed is True


@runtime_checkable
class DecisionPoint(Protocol):
    """A policy that can say what it rests on, for the declaration. Source: NIST SP 800-207, PDP."""

    @property
    def words(self) -> str:
        """Return how it decides, in a few words."""
        ...

    @property
    def roots(self) -> tuple[Root, ...]:
        """Return what it rests on besides our own code and rows."""
        ...
