"""`on(…)` declares a handler for an event type, typed so that a swapped proof is an error."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar, TypeVarTuple, Unpack, overload

from pratique.core.callback import Callback
from pratique.core.proven import Admitted
from pratique.core.question import Ignore, Later
from pratique.core.refusal import BoundaryError
from pratique.core.roots import Root
from pratique.core.waiver import Waiver

from .event import Event
from .rules import Registration

T = TypeVar("T")
E = TypeVar("E")
C = TypeVar("C")
L = TypeVar("L")
R = TypeVar("R")
A_co = TypeVar("A_co", covariant=True)
"""What `link` returns, a coroutine included.

The decorator looks into it, so that `on` needs no overload for it.
"""
D = TypeVarTuple("D")
"""What the store hands to `link` and the handler after their own arguments.

The session, or nothing.
"""

BusinessKey = str | bytes | int | tuple[str | bytes | int, ...]
Types = str | Sequence[str]
Verdict = bool | Later | Ignore | Awaitable[bool | Later | Ignore]


class Declaring(Generic[E, C, A_co, *D]):
    """Takes the handler of an event type, typed by what its proofs yield.

    It gives it back as it is.
    """

    def __init__(self, declare: Callable[[Callable[..., Any]], None]) -> None:
        self._declare = declare

    @overload
    def __call__(
        self: "Declaring[E, C, Awaitable[L | Later | Ignore | None], *D]",
        handler: Callable[[Admitted[E, C, L], Unpack[D]], R],
        /,
    ) -> Callable[[Admitted[E, C, L], Unpack[D]], R]: ...
    @overload
    def __call__(
        self: "Declaring[E, C, L | Later | Ignore | None, *D]",
        handler: Callable[[Admitted[E, C, L], Unpack[D]], R],
        /,
    ) -> Callable[[Admitted[E, C, L], Unpack[D]], R]: ...
    def __call__(self, handler: Callable[..., Any], /) -> Callable[..., Any]:
        """Declare the handler."""
        self._declare(handler)
        return handler


class On(ABC):
    """Gives a boundary its `on`."""

    name: str
    waivers: tuple[Waiver, ...]

    @abstractmethod
    def register(self, registration: Registration) -> None:
        """Add what one `on(…)` declares."""

    @overload
    def on(
        self,
        types: Types,
        *,
        content: type[T],
        confirm: Callable[[Event[T]], Awaitable[C | Later | Ignore | None]],
        once: Callable[[C], BusinessKey],
        link: Callable[[C, Unpack[D]], A_co],
        allow: Callable[[C, Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver] = ...,
        source: Root | None = ...,
        counterexample: Callable[[], tuple[C, Any]] | None = ...,
    ) -> Declaring[Event[T], C, A_co, *D]: ...
    @overload
    def on(
        self,
        types: Types,
        *,
        content: type[T],
        confirm: Callable[[Event[T]], C | Later | Ignore | None],
        once: Callable[[C], BusinessKey],
        link: Callable[[C, Unpack[D]], A_co],
        allow: Callable[[C, Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver] = ...,
        source: Root | None = ...,
        counterexample: Callable[[], tuple[C, Any]] | None = ...,
    ) -> Declaring[Event[T], C, A_co, *D]: ...
    @overload
    def on(
        self,
        types: Types,
        *,
        confirm: Callable[[Event], Awaitable[C | Later | Ignore | None]],
        once: Callable[[C], BusinessKey],
        link: Callable[[C, Unpack[D]], A_co],
        allow: Callable[[C, Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver] = ...,
        source: Root | None = ...,
        counterexample: Callable[[], tuple[C, Any]] | None = ...,
    ) -> Declaring[Event, C, A_co, *D]: ...
    @overload
    def on(
        self,
        types: Types,
        *,
        confirm: Callable[[Event], C | Later | Ignore | None],
        once: Callable[[C], BusinessKey],
        link: Callable[[C, Unpack[D]], A_co],
        allow: Callable[[C, Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver] = ...,
        source: Root | None = ...,
        counterexample: Callable[[], tuple[C, Any]] | None = ...,
    ) -> Declaring[Event, C, A_co, *D]: ...
    @overload
    def on(
        self,
        types: Types,
        *,
        content: type[T],
        once: Callable[[Event[T]], BusinessKey],
        link: Callable[[Event[T], Unpack[D]], A_co],
        allow: Callable[[Event[T], Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver],
        counterexample: Callable[[], tuple[Event[T], Any]] | None = ...,
    ) -> Declaring[Event[T], None, A_co, *D]: ...
    @overload
    def on(
        self,
        types: Types,
        *,
        once: Callable[[Event], BusinessKey],
        link: Callable[[Event, Unpack[D]], A_co],
        allow: Callable[[Event, Any], Verdict],
        effect: str = ...,
        waivers: Sequence[Waiver],
        counterexample: Callable[[], tuple[Event, Any]] | None = ...,
    ) -> Declaring[Event, None, A_co, *D]: ...
    def on(  # noqa: PLR0913  each proof is a keyword of its own
        self,
        types: Types,
        *,
        content: type[Any] | None = None,
        confirm: Callable[..., Any] | None = None,
        once: Callable[..., Any] | None = None,
        link: Callable[..., Any] | None = None,
        allow: Callable[..., Any] | None = None,
        effect: str = "",
        waivers: Sequence[Waiver] = (),
        source: Root | None = None,
        counterexample: Callable[[], tuple[Any, Any]] | None = None,
    ) -> Declaring[Any, Any, Any, *tuple[Any, ...]]:
        """Declare the handler of one event type, or of several.

        Args:
            types: The event type, or several that do the same.
            content: The type of the content; owed where the sender doesn't sign the event type.
            confirm: (event) -> what the source of truth says, re-read now; None: it doesn't.
                Outside any transaction.
            once: (confirmed) -> the business key: the object that this may be done to once,
                whichever event says so.
            link: (confirmed[, session]) -> our own row; None: it has none. Inside the transaction,
                on a locked row.
            allow: (confirmed, row) -> True where it is legal from the present state. Inside the
                transaction.
            effect: The name under which business keys are kept; the first type by default. Keep it:
                a new one forgets.
            waivers: What isn't proven for a time; see `pratique.unsafe.waive`.
            source: Whom `confirm` asks, where that isn't the sender: a root with another controller
                counts as independent.
            counterexample: () -> (confirmed, row) that `allow` must refuse; run at start.

        `LATER` from confirm, link or allow asks the sender to retry; `IGNORE` acknowledges without
        effect or dead letter.

        Raises:
            BoundaryError: a callable takes another number of arguments, or `types` is empty.
        """
        names = (types,) if isinstance(types, str) else tuple(types)
        if not names or not all(names):
            message = f'Boundary "{self.name}": on() names no event type.'
            raise BoundaryError(message)

        def declare(handler: Callable[..., Any]) -> None:
            self.register(
                Registration(
                    types=names,
                    effect=effect or names[0],
                    content=content,
                    confirm=Callback.if_given(confirm, arguments=1, role=f"{names[0]} confirm"),
                    once=Callback.if_given(once, arguments=1, role=f"{names[0]} once"),
                    link=Callback.if_given(link, arguments=1, role=f"{names[0]} link"),
                    allow=Callback.if_given(allow, arguments=2, role=f"{names[0]} allow"),
                    act=Callback.of(handler, arguments=1, role=f"{names[0]} handler"),
                    waivers=(*self.waivers, *waivers),
                    source=source,
                    counterexample=counterexample,
                )
            )

        return Declaring(declare)
