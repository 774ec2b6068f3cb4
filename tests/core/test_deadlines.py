"""One timer a loop, for what waits: each crossing ends at its own deadline, and only then."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import pytest

from pratique.core.deadlines import Deadlines, Limit, watched


async def outcome(deadlines: Deadlines, work: "asyncio.Event", *, lifts: bool = False) -> str:
    """Say how a piece of work ended that waits for *work*."""
    limit: Limit | None = None
    try:
        with deadlines.begin() as limit:
            if lifts:
                limit.lift()
            await work.wait()
    except TimeoutError:
        return "over"
    return "done" if limit is not None and not limit.is_over else "?"


async def test_ends_what_still_runs_and_nothing_else() -> None:
    """Three begin; the one that is done and the one that was lifted live on."""
    deadlines, never, soon = Deadlines(0.2), asyncio.Event(), asyncio.Event()
    late = [asyncio.create_task(outcome(deadlines, never)) for _ in range(3)]
    done = asyncio.create_task(outcome(deadlines, soon))
    lifted = asyncio.create_task(outcome(deadlines, never, lifts=True))
    await asyncio.sleep(0)
    soon.set()
    assert await done == "done"
    assert await asyncio.gather(*late) == ["over"] * 3
    assert not lifted.done()
    never.set()
    assert await lifted == "done"


async def test_a_later_crossing_has_its_own_time() -> None:
    """The timer of the head is armed again for whoever began after it."""
    given = 0.02
    deadlines, never = Deadlines(given), asyncio.Event()

    async def lasted() -> float:
        began = monotonic()
        assert await outcome(deadlines, never) == "over"
        return monotonic() - began

    first = asyncio.create_task(lasted())
    await asyncio.sleep(0.01)
    second = asyncio.create_task(lasted())
    assert await first >= given
    assert await second >= given


async def test_a_cancellation_by_somebody_else_stays_one() -> None:
    """The client left before the deadline: CancelledError, not TimeoutError."""
    task = asyncio.create_task(outcome(Deadlines(10), asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_exception_of_the_work_passes() -> None:
    """What the work raises in time is what leaves."""
    with pytest.raises(KeyError), Deadlines(10).begin():
        raise KeyError


def test_each_loop_has_its_own_timer() -> None:
    """A perimeter that served a loop that has ended serves the next one."""
    deadlines = Deadlines(0.01)
    assert [asyncio.run(_one(deadlines)) for _ in range(2)] == ["over", "over"]


async def _one(deadlines: Deadlines) -> str:
    return await outcome(deadlines, asyncio.Event())


def test_refuses_to_begin_outside_a_task() -> None:
    """Without a task there is nothing to cancel."""
    loop = asyncio.new_event_loop()
    seen: list[BaseException] = []

    def begin() -> None:
        try:
            Deadlines(1).begin()
        except RuntimeError as error:
            seen.append(error)
        loop.stop()

    loop.call_soon(begin)
    loop.run_forever()
    loop.close()
    assert [type(error) for error in seen] == [RuntimeError]


async def test_a_deadline_counts_from_the_begin_of_its_crossing() -> None:
    """What was computed before the first wait is part of it; one that begins now has its own time."""
    deadlines = Deadlines(10)
    early, now = deadlines.begin(monotonic() - 9), deadlines.begin()
    assert now.ends_at - early.ends_at > 8.9


@pytest.mark.parametrize("waits", [False, True])
async def test_a_deadline_begins_with_the_first_wait(waits: bool) -> None:
    """An answer that is there at once needs no timer; one that is waited for begins it once."""
    begun: list[str] = []

    async def answer() -> str:
        for _ in range(3 if waits else 0):
            await asyncio.sleep(0)
        return "told"

    assert await watched(answer(), lambda: begun.append("begun")) == "told"
    assert begun == (["begun"] if waits else [])


@pytest.mark.parametrize("waits", [False, True])
async def test_what_an_answer_raises_leaves_it(waits: bool) -> None:
    """Before the first wait and after it: the same exception, with its own traceback."""

    async def answer() -> None:
        if waits:
            await asyncio.sleep(0)
        raise KeyError

    with pytest.raises(KeyError):
        await watched(answer(), list)


async def test_a_cancellation_reaches_what_is_waited_for() -> None:
    """It may tidy up, waiting for that too, and the answer that it then gives is the answer."""
    seen: list[str] = []

    async def answer() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            seen.append("tidied")
            raise
        return "never"

    async def swallowing() -> str:
        try:
            return await answer()
        except asyncio.CancelledError:
            return "told"

    async def asked(call: Callable[[], Awaitable[str]]) -> str:
        return await watched(call(), list)

    ended, told = asyncio.create_task(asked(answer)), asyncio.create_task(asked(swallowing))
    await asyncio.sleep(0)
    assert ended.cancel()
    assert told.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ended
    assert await told == "told"
    assert seen == ["tidied", "tidied"]
