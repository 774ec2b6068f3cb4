"""What a view owes, read from its annotations once; and a request proven by it, sync and async."""

import asyncio
import re
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager
from datetime import datetime
from inspect import iscoroutinefunction, signature
from typing import Annotated, Any, Final, NoReturn, TypeVar, get_args, get_origin, get_type_hints

from pratique.core import within
from pratique.core.action import Action
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.once import OneTime
from pratique.core.perimeter import Perimeter
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError

from .before import above_debt, note_view
from .proving import Open, Opened, Owed, key_of
from .shadow import let_go, observes, shadow_debt

Arguments = dict[str, Any]
"""What a view is called with, by name."""
Proving = Flow[Any]
V = TypeVar("V", bound=Callable[..., Any])
PLAN: Final = "__pratique_plan__"
ACTION: Final = "__pratique_action__"
PLACE: Final = "__pratique_place__"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_PLACE: Final = re.compile(r"[{<](?:\w+(?:\([^)]*\))?:)?(\w+)")
"""A named place of a path: {order_id}, {order_id:int}, <order_id>, <int:order_id>."""


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
        opens = [each.session is not None for each in self.owed.values()]
        self._opens = bool(self.opened) or any(opens)
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

    def call(
        self,
        perimeter: Perimeter,
        claim: Claim | None,
        places: Mapping[str, object],
        run: Callable[[Arguments, object], Any],
        *,
        carry: Callable[..., Any] | None = None,
    ) -> Any:
        """Prove one request, then run its view on this thread; what was opened is closed after it.

        Args:
            perimeter: Has started.
            claim: The request; None where it couldn't be read, and `lets_go`.
            places: What stands in the path, by name.
            run: (what the view is called with, for whom it was proven) -> its answer.
            carry: `perimeter.carry`; `carry_here` where what is opened belongs to this thread.

        Returns:
            None where the view raised, and what was opened took that for its own.

        Raises:
            Refused: a proof is not given.
        """
        outer, carry = within.current(), carry or perimeter.carry
        try:
            if not self._opens:
                return run(*self._prove(perimeter, claim, places, carry, _nothing_is_opened))
            with ExitStack() as stack:
                return run(*self._prove(perimeter, claim, places, carry, _opening(stack)))
            return None
        finally:
            within.go_to(outer)

    async def acall(
        self,
        perimeter: Perimeter,
        claim: Claim | None,
        places: Mapping[str, object],
        run: Callable[[Arguments, object], Awaitable[Any]],
    ) -> Any:
        """Do the same on the event loop; a session may be an asynchronous one.

        A synchronous one is entered and left on a thread: its commit waits for a disk.
        """
        outer = within.current()
        try:
            if not self._opens:
                return await run(*await self._aprove(perimeter, claim, places, _nothing_is_opened))
            async with AsyncExitStack() as stack:
                return await run(*await self._aprove(perimeter, claim, places, _aopening(stack)))
            return None
        finally:
            within.go_to(outer)

    def _prove(
        self,
        perimeter: Perimeter,
        claim: Claim | None,
        places: Mapping[str, object],
        carry: Callable[..., Any],
        session_of: Callable[[Open], Any],
    ) -> tuple[Arguments, object]:
        arguments: Arguments = dict.fromkeys(self.shadows)
        for owed in self.shadows.values():
            self._look(perimeter, claim, owed, places, carry)
        crossed: list[Crossing] = []
        for name, owed in self.owed.items():
            session = None if owed.session is None else session_of(owed.session)
            flow_of = _flow_of(owed, places, session, crossed)
            proven = carry(owed.action.boundary, claim or _unread(), flow_of)
            arguments[name] = within.go_on(proven)
        for name, each in self.opened.items():
            arguments[name] = session_of(each.call)
        return arguments, crossed[-1].context if crossed else None

    async def _aprove(
        self,
        perimeter: Perimeter,
        claim: Claim | None,
        places: Mapping[str, object],
        session_of: Callable[[Open], Awaitable[Any]],
    ) -> tuple[Arguments, object]:
        arguments: Arguments = dict.fromkeys(self.shadows)
        for owed in self.shadows.values():
            await self._alook(perimeter, claim, owed, places)
        context: object = None
        for name, owed in self.owed.items():
            session = None if owed.session is None else await session_of(owed.session)
            action = owed.action
            crossing = perimeter.cross(action.boundary, claim or _unread())
            key = key_of(owed, places, crossing.claim.via.target)
            flow = action.flow(crossing, key=key, session=session)
            arguments[name] = within.go_on(await perimeter.aprove(crossing, flow))
            context = crossing.context
        for name, each in self.opened.items():
            arguments[name] = await session_of(each.call)
        return arguments, context

    @staticmethod
    def _look(
        perimeter: Perimeter,
        claim: Claim | None,
        owed: Owed,
        places: Mapping[str, object],
        carry: Callable[..., Any],
    ) -> None:
        """Let a boundary judge what it doesn't hand over, in a session of its own."""
        boundary = owed.action.boundary
        if claim is None:  # it is recorded that it couldn't be read
            return
        try:
            with ExitStack() as own:
                session = _entered(own, owed.session()) if owed.session is not None else None
                # While it observes this raises, so that the session rolls back.
                carry(boundary, claim, _flow_of(owed, places, session, []))
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
                await perimeter.acarry(boundary, claim, _flow_of(owed, places, session, []))
        except Exception as error:  # noqa: BLE001  the view runs whatever comes of it
            let_go(perimeter, boundary, claim.received_at, error)

    def _read(self, name: str, said: Any, *marks: Any) -> None:
        for mark in marks:
            if isinstance(mark, Owed):
                (self.shadows if mark.is_shadow else self.owed)[name] = mark
                self._said[name] = said
            elif isinstance(mark, Opened):
                self.opened[name] = mark


def _unread() -> NoReturn:
    """Nothing is proven of a claim that couldn't be read."""
    raise BoundaryError("a view whose proofs are enforced is asked without a claim.")


def place_of(action: Action, key: str | None) -> str | None:
    """Return the place in the path that names the object: "coupon_id" for "coupon.redeem"."""
    if action.rule.find is None:
        return None
    return key or f"{action.name.split('.', maxsplit=1)[0]}_id"


def mark_proving(view: V, plan: Plan) -> V:
    """Mark a view of `guarded`, so that the start knows what it proves; it is given back.

    Args:
        view: A door's own.
        plan: By what it proves. Where all of it only observes, what stands above may answer.
    """
    setattr(view, PLAN, plan)
    if plan.owed:
        note_view(view)
    return view


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
    note_view(view)
    return view


def view_debts(path: str, view: object, methods: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with a view of `endpoint`, `guarded` or `does` at its route.

    Not by a method that any page can send from anywhere is something done once.

    Args:
        path: As the framework has it.
        view: Any; of others nothing is known.
        methods: By which it is reached.

    Source: RFC 9110 §9.2.1; CWE-352.
    """
    if debt := above_debt(path, view):
        yield debt
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
    owed: Owed, places: Mapping[str, object], session: object, crossed: list[Crossing]
) -> Callable[[Crossing], Proving]:
    def flow_of(crossing: Crossing) -> Proving:  # a name: what it stands for is made once
        key = key_of(owed, places, crossing.claim.via.target)
        crossed.append(crossing)  # which knows for whom it is, once it is proven
        return owed.action.flow(crossing, key=key, session=session)

    return flow_of


def _nothing_is_opened(call: Open) -> Any:
    raise BoundaryError(f"{call!r} is opened by a view that opens nothing.")


def _opening(stack: ExitStack) -> Callable[[Open], Any]:
    """Return what opens a session, the same one however often it is asked."""
    found: dict[Open, Any] = {}

    def session_of(call: Open) -> Any:
        if call not in found:
            found[call] = _entered(stack, call())
        return found[call]

    return session_of


def _aopening(stack: AsyncExitStack) -> Callable[[Open], Awaitable[Any]]:
    """Do the same on the event loop."""
    found: dict[Open, Any] = {}

    async def session_of(call: Open) -> Any:
        if call not in found:
            found[call] = await _aentered(stack, call())
        return found[call]

    return session_of


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
