"""What a view owes, read from its annotations once; and a request proven by it, sync and async."""

import asyncio
import re
from collections.abc import (
    AsyncGenerator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field
from datetime import datetime
from inspect import iscoroutinefunction, signature
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from pratique.core import within
from pratique.core.action import Action
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.once import OneTime
from pratique.core.perimeter import Perimeter
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError

from .proving import Open, Opened, Owed
from .shadow import let_go, observes, shadow_debt

V = TypeVar("V", bound=Callable[..., Any])
PLAN: Final = "__pratique_plan__"
ACTION: Final = "__pratique_action__"
PLACE: Final = "__pratique_place__"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PLACE: Final = re.compile(r"[{<](?:\w+(?:\([^)]*\))?:)?(\w+)")
"""A named place of a path: {order_id}, {order_id:int}, <order_id>, <int:order_id>."""


@dataclass(slots=True)
class Given:
    """What a view is called with, and for whom: see `Plan`."""

    arguments: dict[str, Any] = field(default_factory=dict)
    context: object = None


class Plan:
    """What a view owes, read from its annotations once.

    Args:
        view: Of the user's.

    Raises:
        BoundaryError: no parameter owes a proof, or an annotation can't be read.
    """

    def __init__(self, view: Callable[..., Any]) -> None:
        self.view = view
        self.is_async = iscoroutinefunction(view)
        self.owed: dict[str, Owed] = {}
        self.shadows: dict[str, Owed] = {}
        """What is judged, recorded and not enforced while its boundary observes."""
        self.opened: dict[str, Opened] = {}
        self._said: dict[str, Any] = {}
        for name, hint in _hints(view).items():
            if get_origin(hint) is Annotated:
                self._read(name, *get_args(hint))
        every = (*self.owed.values(), *self.shadows.values())
        if not every:
            raise BoundaryError(
                f"guarded({self.name}): no parameter owes a proof. Annotate one: "
                "order: Annotated[Proven[Order], owned(…)]."
            )
        self.boundaries = tuple({each.action.boundary: None for each in every})
        self.max_content_bytes = min(each.max_content_bytes for each in self.boundaries)

    @property
    def name(self) -> str:
        """Return the view's name, for sentences about it."""
        return str(getattr(self.view, "__qualname__", self.view))

    def lets_go(self, at: datetime) -> bool:
        """Say whether the view runs at *at* (UTC) whatever came: everything only observes."""
        return not self.owed and all(observes(each, at) for each in self.boundaries)

    def debts(self, path: str) -> Iterator[str]:
        """Yield what is wrong with the view at its route.

        Args:
            path: As the framework has it: "/orders/{order_id}".
        """
        there = set(_PLACE.findall(path))
        for name, owed in (*self.owed.items(), *self.shadows.items()):
            if debt := shadow_debt(path, owed):
                yield debt
            if not owed.agrees(self._said[name]):
                yield (
                    f"Route {path}: {name} is annotated as {self._said[name]}, and its proof is of "
                    f"{owed}."
                )
            if owed.place is not None and owed.place not in there:
                yield (
                    f"Route {path}: the proof of {name} reads {owed.place}, which is no place of "
                    'the path. Name it so there, or say which it is: owned(…, key="…").'
                )

    @contextmanager
    def prove(
        self,
        perimeter: Perimeter,
        claim: Claim | None,
        places: Mapping[str, object],
        *,
        carry: Callable[..., Any] | None = None,
    ) -> Generator[Given]:
        """Prove one request, for a view on this thread; what was opened is closed at the end.

        Args:
            perimeter: Has started.
            claim: The request; None where it couldn't be read, and `lets_go`.
            places: What stands in the path, by name.
            carry: `perimeter.carry`; `carry_here` where what is opened belongs to this thread.

        Raises:
            Refused: a proof is not given.
        """
        with ExitStack() as stack:
            found: dict[Open, Any] = {}

            def session_of(call: Open | None) -> Any:
                if call is not None and call not in found:
                    found[call] = _entered(stack, call())
                return found[call] if call is not None else None

            given = Given()
            stack.callback(within.enter, within.current())
            given.arguments |= dict.fromkeys(self.shadows)
            for owed in self.shadows.values():
                self._look(perimeter, claim, owed, places, carry=carry)
            for name, owed in self.owed.items():
                flow_of = _flow_of(owed, places, session_of(owed.session), given)
                proven = (carry or perimeter.carry)(owed.action.boundary, _read_one(claim), flow_of)
                given.arguments[name] = within.go_on(proven)
            for name, each in self.opened.items():
                given.arguments[name] = session_of(each.call)
            yield given

    def aprove(
        self, perimeter: Perimeter, claim: Claim | None, places: Mapping[str, object]
    ) -> AbstractAsyncContextManager[Given]:
        """Do the same on the event loop; a session may be an asynchronous one.

        A synchronous one is entered and left on a thread: its commit waits for a disk.
        """
        is_opening = self.opened or any(owed.session is not None for owed in self.owed.values())
        if is_opening or self.shadows or claim is None:
            return self._aprove_and_close(perimeter, claim, places)
        return _Proving(self.owed, perimeter, claim, places)

    @asynccontextmanager
    async def _aprove_and_close(
        self, perimeter: Perimeter, claim: Claim | None, places: Mapping[str, object]
    ) -> AsyncGenerator[Given]:
        async with AsyncExitStack() as stack:
            found: dict[Open, Any] = {}

            async def session_of(call: Open | None) -> Any:
                if call is not None and call not in found:
                    found[call] = await _aentered(stack, call())
                return found[call] if call is not None else None

            given = Given()
            stack.callback(within.enter, within.current())
            given.arguments |= dict.fromkeys(self.shadows)
            for owed in self.shadows.values():
                await self._alook(perimeter, claim, owed, places)
            for name, owed in self.owed.items():
                flow_of = _flow_of(owed, places, await session_of(owed.session), given)
                proven = await perimeter.acarry(owed.action.boundary, _read_one(claim), flow_of)
                given.arguments[name] = within.go_on(proven)
            for name, each in self.opened.items():
                given.arguments[name] = await session_of(each.call)
            yield given

    @staticmethod
    def _look(
        perimeter: Perimeter,
        claim: Claim | None,
        owed: Owed,
        places: Mapping[str, object],
        *,
        carry: Callable[..., Any] | None,
    ) -> None:
        """Let a boundary judge what it doesn't hand over, in a session of its own."""
        boundary = owed.action.boundary
        if claim is None:  # it is recorded that it couldn't be read
            return
        try:
            with ExitStack() as own:
                session = _entered(own, owed.session()) if owed.session is not None else None
                # While it observes this raises, so that the session rolls back.
                (carry or perimeter.carry)(
                    boundary, claim, _flow_of(owed, places, session, Given())
                )
        except Exception as error:  # noqa: BLE001  the view runs whatever comes of it
            let_go(perimeter, boundary, claim.received_at, error)

    @staticmethod
    async def _alook(
        perimeter: Perimeter, claim: Claim | None, owed: Owed, places: Mapping[str, object]
    ) -> None:
        boundary = owed.action.boundary
        if claim is None:
            return
        try:
            async with AsyncExitStack() as own:
                opens = owed.session
                session = await _aentered(own, opens()) if opens is not None else None
                flow_of = _flow_of(owed, places, session, Given())
                await perimeter.acarry(boundary, claim, flow_of)
        except Exception as error:  # noqa: BLE001  the view runs whatever comes of it
            let_go(perimeter, boundary, claim.received_at, error)

    def _read(self, name: str, said: Any, *marks: Any) -> None:
        for mark in marks:
            if isinstance(mark, Owed):
                (self.shadows if mark.is_shadow else self.owed)[name] = mark
                self._said[name] = said
            elif isinstance(mark, Opened):
                self.opened[name] = mark


class _Proving:
    """Proves one request on the event loop where nothing is opened, and so nothing to be closed."""

    __slots__ = ("_claim", "_outer", "_owed", "_perimeter", "_places")

    def __init__(
        self,
        owed: Mapping[str, Owed],
        perimeter: Perimeter,
        claim: Claim,
        places: Mapping[str, object],
    ) -> None:
        self._owed, self._perimeter = owed, perimeter
        self._claim, self._places = claim, places
        self._outer = within.current()

    async def __aenter__(self) -> Given:
        given = Given()
        try:
            for name, owed in self._owed.items():
                flow_of = _flow_of(owed, self._places, None, given)
                proven = await self._perimeter.acarry(owed.action.boundary, self._claim, flow_of)
                given.arguments[name] = within.go_on(proven)
        except BaseException:
            within.enter(self._outer)
            raise
        return given

    async def __aexit__(self, *_: object) -> None:
        within.enter(self._outer)


def _read_one(claim: Claim | None) -> Claim:
    """Return the claim; nothing is proven of one that couldn't be read."""
    if claim is None:
        raise BoundaryError("a view whose proofs are enforced is asked without a claim.")
    return claim


def place_of(action: Action, key: str | None) -> str | None:
    """Return the place in the path that names the object: "coupon_id" for "coupon.redeem"."""
    if action.rule.find is None:
        return None
    return key or f"{action.name.split('.', maxsplit=1)[0]}_id"


def mark_doing(view: V, action: OneTime, place: str | None) -> V:
    """Mark a view of `does`, so that the start knows what it does; it is given back.

    Args:
        view: A door's own.
        action: What it does.
        place: See `place_of`.
    """
    view.__name__ = view.__qualname__ = f"do_{action.name.replace('.', '_')}"
    view.__doc__ = f"{action.name}, once."
    setattr(view, ACTION, action)
    setattr(view, PLACE, place)
    return view


def view_debts(path: str, view: object, methods: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a view of `guarded` or `does` at its route.

    Not by a method that any page can send from anywhere is something done once.

    Args:
        path: As the framework has it.
        view: Any; of others nothing is known.
        methods: By which it is reached.

    Source: RFC 9110 §9.2.1; CWE-352.
    """
    plan = getattr(view, PLAN, None)
    if isinstance(plan, Plan):
        yield from plan.debts(path)
    place = getattr(view, PLACE, None)
    if place is not None and place not in _PLACE.findall(path):
        yield (
            f"Route {path}: {place} is no place of the path. Name it so there, or say which it is: "
            'does(…, key="…").'
        )
    safe = sorted(SAFE_METHODS & set(methods))
    if isinstance(getattr(view, ACTION, None), OneTime) and safe:
        yield (
            f"Route {path}: {', '.join(safe)} changes nothing by its meaning, and it does "
            "something once. Let it be done by POST."
        )


def _hints(view: Callable[..., Any]) -> dict[str, Any]:
    try:
        hints = get_type_hints(view, include_extras=True)
        known = signature(view).parameters
    except (NameError, TypeError, ValueError) as error:
        raise BoundaryError(
            f"guarded({getattr(view, '__qualname__', view)}): its annotations can't be read "
            f"({error}). Let names that they use stand in its module."
        ) from None
    return {name: hint for name, hint in hints.items() if name in known}


def _flow_of(
    owed: Owed, places: Mapping[str, object], session: object, given: Given
) -> Callable[[Crossing], Flow[Any]]:
    key = "" if owed.place is None else str(places.get(owed.place, ""))

    def flow_of(crossing: Crossing) -> Flow[Any]:
        proven = yield from owed.action.flow(crossing, key=key, session=session)
        given.context = crossing.context
        return proven

    return flow_of


def _entered(stack: ExitStack, made: Any) -> Any:
    """Enter what was made, where it is a context manager; return what is then at hand."""
    return stack.enter_context(made) if hasattr(made, "__enter__") else made


async def _aentered(stack: AsyncExitStack, made: Any) -> Any:
    """Do the same on the event loop; a synchronous one on a thread."""
    if hasattr(made, "__aenter__"):
        return await stack.enter_async_context(made)
    if hasattr(made, "__enter__"):
        return await stack.enter_async_context(_on_a_thread(made))
    return made


@asynccontextmanager
async def _on_a_thread(made: AbstractContextManager[Any]) -> AsyncGenerator[Any]:
    session = await asyncio.to_thread(made.__enter__)
    try:
        yield session
    except BaseException as error:
        if not await asyncio.to_thread(made.__exit__, type(error), error, error.__traceback__):
            raise
    else:
        await asyncio.to_thread(made.__exit__, None, None, None)
