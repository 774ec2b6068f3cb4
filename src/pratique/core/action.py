"""What may be done across a boundary: one action, with everything that it owes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from .access import Access, access
from .boundary import Declaration
from .crossing import Crossing
from .fingerprint import note_subject
from .marking import mark_proven
from .obligation import BIT, VALID
from .proven import Proven
from .question import Flow
from .refusal import BoundaryError, Refused
from .writable import Content

if TYPE_CHECKING:
    from .acting import Acting
    from .store import Store

O = TypeVar("O")  # noqa: E741  the object
C = TypeVar("C")
_VALID: Final = BIT[VALID]


class Change(msgspec.Struct, Generic[O, C], frozen=True):
    """An object of the caller's, and what the caller may write of it.

    Attributes:
        object: The row, in the request's own session; the user where an action has no object.
        content: What was sent, read as its declared type.
    """

    object: O
    content: C


class Action:
    """One thing that may be done. Made by `Acting.action`."""

    def __init__(
        self,
        boundary: "Acting",
        name: str,
        rule: Access,
        *,
        read_key: Callable[[str], object] | None,
        content: Content[Any] | None,
    ) -> None:
        self.boundary, self.name, self.rule = boundary, name, rule
        self.content = content
        # `OwnedRows.find` is a method of rows that say whether they are locked.
        looks_in = None if rule.find is None else getattr(rule.find.callback.call, "__self__", None)
        self._locks = getattr(looks_in, "locks", False) is True
        self._read_key = read_key
        self.declaration: Declaration = boundary.declaration_of(self)

    @property
    def is_one_time(self) -> bool:
        """Say whether what proves the caller is shown once where it can be."""
        return False

    @property
    def changes(self) -> bool:
        """Say whether it declares an effect: content to write, a locked row, what happens once.

        It owes what a change of state owes, by whichever method it is asked for.
        """
        return self.content is not None or self._locks or self.is_one_time

    def prepare(self, store: "Store | None") -> list[str]:  # noqa: ARG002  it needs none
        """Look at the store; return the debts."""
        return []

    def take(self, crossing: Crossing) -> None:
        """Let a crossing owe what this action owes.

        Raises:
            BoundaryError: it is a crossing of another boundary.
        """
        if crossing.boundary is not self.boundary:  # it would owe what another boundary owes
            raise BoundaryError(f"{self.name} is an action of another boundary.")
        crossing.declaration = self.declaration

    def read(self, crossing: Crossing, key: str) -> tuple[Any, Any]:
        """Return which object it is about, and what was sent, as what they are declared as.

        Raises:
            Refused: VALID, code "unwanted_content" and what `Content.read` and `read_key` refuse.
        """
        claim = crossing.claim
        sent: object = None
        if self.content is not None:
            sent = self.content.read(claim.content, claim.fields)
        elif claim.content:
            raise Refused(VALID, "the action takes no content", code="unwanted_content")
        return (self._read_key(key) if self._read_key is not None else None), sent

    def flow(
        self, crossing: Crossing, *, key: str = "", session: object = None
    ) -> Flow[Proven[Any]]:
        """Prove one request.

        Args:
            crossing: Its crossing.
            key: Which object, as it stands in the path.
            session: The request's own, for callables that take one.

        Raises:
            Refused: what the boundary's `identify`, `access` and `Content.read` refuse; VALID, code
                "unwanted_content".
        """
        self.take(crossing)
        subject = yield from self.boundary.identify(crossing, self, key=key, session=session)
        note_subject(crossing, subject)
        named, sent = self.read(crossing, key)
        user, found = yield from access(crossing, self.rule, subject, key=named, session=session)
        crossing.done |= _VALID
        value = found if self.rule.find is not None else user
        proven = crossing.prove(value if self.content is None else Change(value, sent))
        if session is not None:
            mark_proven(session, self.name)
        return proven
