"""A callable of our user, with what the start-up check and the drivers need to know of it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .obligation import Obligation
from .refusal import Answer, BoundaryError, Refused


@dataclass(frozen=True, slots=True)
class Callback:
    """One callable: how to call it, and where it stands.

    Args:
        call: The callable itself.
        is_async: It is a coroutine function.
        wants_session: It takes the session of the effect's transaction as its last positional
            argument.
        where: "file.py:12 name", for events and reports.
    """

    call: Callable[..., Any]
    is_async: bool
    wants_session: bool
    where: str

    @classmethod
    def of(cls, call: Callable[..., Any], *, arguments: int, role: str) -> "Callback":
        """Look at a callable that takes *arguments* positional ones, perhaps a session after them.

        Raises:
            BoundaryError: it takes another number of arguments.
        """
        if not callable(call):
            message = f"{role} is {type(call).__name__}, not a callable."
            raise BoundaryError(message)
        fewest, most = _arity(call)
        wants_session = fewest == arguments + 1
        if not wants_session and not fewest <= arguments <= most:
            message = (
                f"{role} at {place_of(call)} takes {fewest} positional arguments; "
                f"it is given {arguments}, "
                "and the session of the transaction where it takes one more."
            )
            raise BoundaryError(message)
        return cls(call, _is_async(call), wants_session, place_of(call))

    @classmethod
    def if_given(
        cls, call: Callable[..., Any] | None, *, arguments: int, role: str
    ) -> "Callback | None":
        """Return the same of a callable that may be left out; None where it is.

        Raises:
            BoundaryError: it takes another number of arguments.
        """
        return None if call is None else cls.of(call, arguments=arguments, role=role)


def not_a_bool(obligation: Obligation, role: str, told: object) -> Refused:
    """Return the refusal of a callable that answers neither yes nor no.

    Truthy, and not True: a forgotten await or a wrong return type is no permission. Nor is it a no,
    so it is for now, like every failure of a callable of ours.

    Args:
        obligation: What it was asked for.
        role: "allow": which callable, in our own words.
        told: What it returned; its type alone is said.
    """
    return Refused(
        obligation,
        f"{role} returned {type(told).__name__}, not bool",
        code="internal",
        hint="look for a forgotten await, or another return type",
        answer=Answer.RETRY,
    )


def place_of(call: Callable[..., Any]) -> str:
    """Return where a callable stands, as "file.py:12 name".

    The file alone, never the folder of this machine.
    """
    bare = inspect.unwrap(_bare(call))
    code = getattr(bare, "__code__", None)
    name = getattr(bare, "__qualname__", type(bare).__qualname__)
    if code is None:
        return str(name)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno} {name}"


def _bare(call: Callable[..., Any]) -> Callable[..., Any]:
    return _bare(call.func) if isinstance(call, partial) else call


def _is_async(call: Callable[..., Any]) -> bool:
    bare = _bare(call)
    return inspect.iscoroutinefunction(bare) or inspect.iscoroutinefunction(
        getattr(bare, "__call__", None)  # noqa: B004  the method itself: is it a coroutine function
    )


def _arity(call: Callable[..., Any]) -> tuple[int, int]:
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):  # some builtins tell nothing
        return 0, 99
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    fewest = sum(1 for p in positional if p.default is p.empty)
    most = 99 if any(p.kind is p.VAR_POSITIONAL for p in parameters) else len(positional)
    return fewest, most
