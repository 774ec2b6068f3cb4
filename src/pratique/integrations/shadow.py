"""A view from before beside a boundary that only observes: judged, recorded, and let go on.

    @guarded
    def read(request: Request, order_id: str, _: Annotated[None, shadow(owned(…))]) -> Response: ...

What a boundary judges here has a session of its own, which is rolled back: a statement that fails
must not end the transaction of the view.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from io import BufferedReader, RawIOBase
from typing import Any, Final

from pratique.core.boundary import Boundary
from pratique.core.obligation import VALID
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused

from .proving import Owed

Receive = Callable[[], Awaitable[Any]]
SHADOW: Final = "__pratique_shadow__"


def shadow(proof: Any) -> Any:
    """Return the mark of a parameter that is given None, whatever comes of a proof.

    While the boundary observes, the view runs as before and the crossing is recorded as
    "would_admit" or "would_refuse". From the end on, what is refused doesn't reach the view. The
    route counts as legacy, never as guarded: nothing in it takes a Proven.

    Args:
        proof: What `owned(…)` or `called(…)` gave, of a boundary with `observe=`.

    Raises:
        BoundaryError: it is something else.
    """
    if not isinstance(proof, Owed):
        raise BoundaryError("shadow(…) takes what owned(…) or called(…) gave.")
    return replace(proof, is_shadow=True)


def observes(boundary: Boundary, at: datetime) -> bool:
    """Say whether a boundary only observes at *at* (UTC)."""
    return boundary.observe is not None and boundary.observe.holds(at)


def let_go(perimeter: Perimeter, boundary: Boundary, at: datetime, error: Exception) -> None:
    """Let a request go on whatever came of its proof; what isn't recorded yet is recorded.

    Args:
        perimeter: Has started.
        boundary: Whose proof it was.
        at: When the request reached us, UTC.
        error: What came of it.

    Raises:
        Exception: the same one, where the boundary doesn't observe (any more).
    """
    if not observes(boundary, at):
        raise error
    if not isinstance(error, Refused):
        detail = f"its proof could not be run: {type(error).__name__}"
        perimeter.refuse(boundary, Refused(VALID, detail, code="internal"))


def shadow_debt(path: str, owed: Owed) -> str:
    """Return what is wrong between a proof and whether its boundary observes; "" where nothing is.

    Args:
        path: Of the route.
        owed: What a parameter or dependency of it is owed.
    """
    name, observe = owed.action.boundary.name, owed.action.boundary.observe
    if observe is not None and not owed.is_shadow:
        return (
            f'Route {path}: boundary "{name}" only observes and proves nothing, and a view is owed '
            f"{owed.action.name} proven. Let it shadow the view that was there before: "
            "shadow(owned(…)); or leave observe= out."
        )
    if observe is None and owed.is_shadow:
        return (
            f'Route {path}: boundary "{name}" enforces, and shadow(…) hands the view nothing that '
            f"is proven. Take the {owed.action.name} that it proves: owned(…), called(…)."
        )
    return ""


class Replay:
    """A request's content that can be read, up to a cap, and then read again by the view.

    Args:
        receive: The server's.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Any] = []

    async def first(self) -> Any:
        """Return the next message, and keep it."""
        message = await self._receive()
        self._kept.append(message)
        return message

    async def again(self) -> Any:
        """Return what was kept, then what still comes."""
        return self._kept.pop(0) if self._kept else await self._receive()


class Rewound(RawIOBase):
    """A WSGI input of which a part was read, from its beginning.

    Args:
        stream: The server's.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream
        self._kept = b""
        self._is_again = False

    def read(self, size: int = -1, /) -> bytes:
        """Return at most *size* bytes, and keep them until `again`."""
        if self._is_again and self._kept:
            size = len(self._kept) if size < 0 else size
            told, self._kept = self._kept[:size], self._kept[size:]
            return told
        told = self._stream.read(size)
        if not self._is_again:
            self._kept += told
        return bytes(told)

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer."""
        told = self.read(len(buffer))
        buffer[: len(told)] = told
        return len(told)

    def again(self) -> BufferedReader:
        """Return the whole content, as a stream."""
        self._is_again = True
        return BufferedReader(self)
