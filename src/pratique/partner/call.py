"""One declared question to a partner: what is asked, and what its answer must satisfy."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar, Unpack

from pratique.core.boundary import Declaration
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError

from .asked import METHODS, Asked, require_path
from .terms import Contract

if TYPE_CHECKING:
    from .errand import Errand

T = TypeVar("T")


class Call(Generic[T]):
    """A question that may be asked. Made by `Partner.call`.

    Raises:
        BoundaryError: the method is none that we send, or the path isn't one of ours.
    """

    def __init__(
        self,
        errand: "Errand",
        where: str,
        contract: Contract[T],
        declare: Callable[[str], Declaration],
    ) -> None:
        method, _, path = where.partition(" ")
        if method not in METHODS:
            raise BoundaryError(f'{method!r} is none of {sorted(METHODS)}: say it as "GET /path".')
        require_path(path)
        self.name = where
        self.method = method
        self.path = path
        self.contract = contract
        self.declaration = declare(where)
        self._errand = errand

    def ask(self, **asked: Unpack[Asked]) -> Proven[T]:
        """Ask on this thread.

        Args:
            asked: See `Asked`.

        Raises:
            Refused: the question doesn't go out, or the answer isn't believed. Never a default.
            BoundaryError: the boundary hasn't started; a place of the path has no value.
        """
        return self._errand.run(self, asked)

    async def aask(self, **asked: Unpack[Asked]) -> Proven[T]:
        """Ask on the event loop. See `ask`."""
        return await self._errand.arun(self, asked)

    def __repr__(self) -> str:
        """Return its name."""
        return f"Call({self.name!r})"
