"""Law 2: whatever hangs, the crossing is refused within the deadline, and nothing lands later."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Refused
from pratique.core.callback import Callback
from tests.shop import Shop, async_orm, claim, plain_sqlite3

DEADLINE = timedelta(milliseconds=200)
STEPS = ["confirm", "once", "link", "allow"]


def slowed(shop: Shop, step: str, wait: Callable[[], Any]) -> None:
    """Let one callable of the only registration wait before it answers."""
    registered = shop.payments._registered[0]
    real: Callback = getattr(registered, step)

    def hang(*arguments: Any) -> Any:
        wait()
        return real.call(*arguments)

    async def ahang(*arguments: Any) -> Any:
        await wait()
        value = real.call(*arguments)
        return await value if real.is_async else value

    is_async = asyncio.iscoroutinefunction(wait)
    call = Callback(ahang if is_async else hang, is_async, real.wants_session, f"slow {step}")
    object.__setattr__(registered, step, call)


@pytest.mark.parametrize("step", STEPS)
def test_a_sync_proof_that_hangs_is_refused_and_nothing_lands_later(
    tmp_path: Path, step: str
) -> None:
    """On a thread of the pool; once the hung call returns it rolls back. The redelivery is admitted."""
    shop = plain_sqlite3(tmp_path / "shop.db", deadline=DEADLINE)
    released, hangs = threading.Event(), [True]

    def wait() -> None:
        if hangs and hangs.pop():
            released.wait(10)

    slowed(shop, step, wait)
    with shop.perimeter as perimeter:
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        assert (refused.value.code, refused.value.status) == ("deadline", 503)
        assert shop.row["upgrades"] == 0
        released.set()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                perimeter.admit(shop.payments, claim())
            except Refused as again:
                assert again.answer == "retry"  # noqa: PT017  each try may be refused
                continue
            break
        assert shop.row["upgrades"] == 1


CALLER = ContextVar("caller", default="nobody")


@pytest.mark.parametrize("deadline", [None, timedelta(seconds=10)])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_callable_sees_the_context_of_its_caller(
    tmp_path: Path, is_async: bool, deadline: timedelta | None
) -> None:
    """Flask's g, Django's language, what a log line is bound to: each proof and the effect see the caller's, with a deadline and without, and the next caller sees their own."""
    shop = plain_sqlite3(tmp_path / "shop.db", deadline=deadline)
    seen: list[str] = []
    for step in (*STEPS, "act"):
        slowed(shop, step, lambda: seen.append(CALLER.get()))

    def cross(name: str, event: str) -> None:
        CALLER.set(name)
        if is_async:
            asyncio.run(shop.perimeter.aadmit(shop.payments, claim(event)))
        else:
            shop.perimeter.admit(shop.payments, claim(event))

    with shop.perimeter:
        copy_context().run(cross, "ann", "evt_1")
        with pytest.raises(Refused):
            copy_context().run(cross, "bob", "evt_1")
    assert seen == ["ann"] * 5 + ["bob"] * 2  # bob's is stopped by the keys, in the transaction


@pytest.mark.parametrize("step", STEPS)
async def test_an_async_proof_that_hangs_is_refused_and_nothing_lands_later(
    tmp_path: Path, step: str
) -> None:
    """Cancelled where it waits, rolled back; the redelivery is admitted."""
    shop = async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db", deadline=DEADLINE)
    hangs = [True]

    async def wait() -> None:
        if hangs and hangs.pop():
            await asyncio.sleep(10)

    slowed(shop, step, wait)
    async with shop.perimeter as perimeter:
        with pytest.raises(Refused) as refused:
            await perimeter.aadmit(shop.payments, claim())
        assert (refused.value.code, refused.value.status) == ("deadline", 503)
        assert shop.row["upgrades"] == 0
        await perimeter.aadmit(shop.payments, claim())
        assert shop.row["upgrades"] == 1


@pytest.mark.parametrize("step", ["confirm", "link", "allow"])
async def test_a_sync_store_behind_an_async_door_keeps_the_same_promise(
    tmp_path: Path, step: str
) -> None:
    """The whole transaction is on one thread; its deadline is the same. `once` names, and may not wait."""
    shop = plain_sqlite3(tmp_path / "shop.db", deadline=DEADLINE)
    released, hangs = threading.Event(), [True]

    def wait() -> None:
        if hangs and hangs.pop():
            released.wait(10)

    slowed(shop, step, wait)
    async with shop.perimeter as perimeter:
        with pytest.raises(Refused) as refused:
            await perimeter.aadmit(shop.payments, claim())
        assert refused.value.code == "deadline"
        released.set()
        for _ in range(200):
            try:
                await perimeter.aadmit(shop.payments, claim())
            except Refused as again:
                assert again.answer == "retry"  # noqa: PT017  each try may be refused
                continue
            break
        assert shop.row["upgrades"] == 1


async def test_an_effect_that_has_begun_is_waited_for(tmp_path: Path) -> None:
    """The deadline bounds the proofs; an effect is never abandoned."""
    shop = async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db", deadline=DEADLINE)

    async def wait() -> None:
        await asyncio.sleep(0.4)

    slowed(shop, "act", wait)
    async with shop.perimeter as perimeter:
        assert await perimeter.aadmit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_sync_effect_that_has_begun_is_waited_for(tmp_path: Path) -> None:
    """The same on a thread."""
    shop = plain_sqlite3(tmp_path / "shop.db", deadline=DEADLINE)
    slowed(shop, "act", lambda: time.sleep(0.4))
    with shop.perimeter as perimeter:
        assert perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


@pytest.mark.parametrize("wrong", [1, "yes", object(), [True]])
def test_only_true_is_a_permission(tmp_path: Path, wrong: Any) -> None:
    """A truthy answer is a forgotten await or a wrong return type."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    registered = shop.payments._registered[0]
    allow = registered.allow
    object.__setattr__(registered, "allow", Callback(lambda *_: wrong, False, False, "truthy"))
    with shop.perimeter as perimeter:
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        assert (refused.value.obligation, refused.value.code) == ("allowed", "internal")
        assert shop.row["upgrades"] == 0
    object.__setattr__(registered, "allow", allow)
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1
