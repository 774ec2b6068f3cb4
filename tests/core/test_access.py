"""For whom, on which object, may they: asked of callables that answer oddly, late, or never."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Perimeter
from pratique.client import Client, Session, SessionCookie
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import ALLOWED, LINKED
from pratique.core.refusal import Refused

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CLAIM = Claim(b"", Fields([("Cookie", "session=" + "s" * 32)]), NOON, Via(method="GET"))
CALLS = ("load", "user", "find", "policy")
place: ContextVar[str] = ContextVar("place", default="nowhere")


def honest() -> dict[str, Callable[..., Any]]:
    """Return callables that answer as they should."""
    return {
        "load": lambda _: Session("ann", NOON, NOON),
        "user": lambda subject: f"user {subject}",
        "find": lambda user, key: f"{key} of {user}",
        "policy": lambda user, verb, thing: True,
    }


def ask(*, is_async: bool = False, deadline: Any = None, **changes: Any) -> Any:
    """Ask once; what is proven, or Refused."""
    calls = {**honest(), **changes}
    perimeter = Perimeter(clock=lambda: NOON, deadline=deadline)
    shop = perimeter.declare(
        Client(
            "shop",
            identity=SessionCookie("session", calls["load"], origins=["https://shop.example"]),
            user=calls["user"],
            policy=calls["policy"],
        )
    )
    read = shop.action("order.read", find=calls["find"], read_key=lambda text: text)

    async def work() -> Any:
        async with perimeter:
            return (await perimeter.acarry(shop, CLAIM, lambda c: read.flow(c, key="10"))).value

    if is_async:
        return asyncio.run(work())
    with perimeter:
        return perimeter.carry(shop, CLAIM, lambda c: read.flow(c, key="10")).value


def refusal(**more: Any) -> Refused:
    """Return why it is refused."""
    with pytest.raises(Refused) as caught:
        ask(**more)
    return caught.value


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("role", ["user", "find"])
@pytest.mark.parametrize("nothing", [None, False, [], (), {}, set(), frozenset(), "", b""])
def test_empty_is_not_there(nothing: Any, role: str, is_async: bool) -> None:
    """CL-01: a query that gave no rows gave no row: 403 for a user, 404 for an object; one is there (CWE-639)."""
    refused = refusal(is_async=is_async, **{role: lambda *_: nothing})
    assert (refused.obligation, refused.code) == (
        LINKED,
        "unknown_user" if role == "user" else "not_found",
    )
    assert ask(is_async=is_async) == "10 of user ann"
    assert ask(is_async=is_async, **{role: lambda *_: 0 if role == "user" else 7})


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("role", ["user", "find"])
def test_a_yes_is_no_object(role: str, is_async: bool) -> None:
    """A callable that says whether there is one gives none: nothing is minted of it, and it is ours to mend (503)."""
    refused = refusal(is_async=is_async, **{role: lambda *_: True})
    assert (refused.obligation, refused.code, refused.status) == (LINKED, "internal", 503)
    assert ask(is_async=is_async) == "10 of user ann"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("told", [1, "yes", [True], object(), 1.0, b"1", None, False])
def test_only_true_is_a_permission(told: Any, is_async: bool) -> None:
    """CWE-863: a truthy answer is a wrong return type; exactly True is a yes."""
    refused = refusal(is_async=is_async, policy=lambda *_: told)
    assert refused.obligation is ALLOWED
    assert refused.code == ("not_allowed" if told in (None, False) else "internal")
    assert ask(is_async=is_async) == "10 of user ann"


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("role", CALLS)
def test_a_call_that_hangs_is_refused_in_time(role: str, is_async: bool) -> None:
    """Law 2: a sync callable of an asynchronous application too: the loop isn't the one that waits for it."""
    released = threading.Event()
    real = honest()[role]

    def hang(*arguments: Any) -> Any:
        released.wait(3)
        return real(*arguments)

    deadline = timedelta(milliseconds=150)
    refused = refusal(is_async=is_async, deadline=deadline, **{role: hang})
    released.set()
    assert (refused.code, refused.status) == ("deadline", 503)
    assert ask(is_async=is_async, deadline=timedelta(seconds=20), **{role: hang})


@pytest.mark.parametrize("role", CALLS)
def test_a_call_on_another_thread_knows_where_it_is(role: str) -> None:
    """A context variable of the request is seen by each callable, as on the loop itself."""
    real, seen = honest()[role], list[str]()

    def told(*arguments: Any) -> Any:
        seen.append(place.get())
        return real(*arguments)

    token = place.set("in the request")
    assert ask(is_async=True, **{role: told}) == "10 of user ann"
    place.reset(token)
    assert seen == ["in the request"]
