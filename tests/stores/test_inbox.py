"""What a store owes an inbox, asked of each by its own methods; and rows that somebody altered."""

import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Fields, stores
from pratique.core.claim import Via
from pratique.core.inbox import Delivery, State
from pratique.core.refusal import StoreError
from pratique.stores.redis_store import inbox_scripts, inbox_steps
from tests.stores.test_contract import Face
from tests.stores.test_contract import store as each_store

__all__ = ["each_store"]
KEYS_BY_NAME = (
    *("ROWS", "CONTENTS", "IDS", "DUE_AT", "SINCE", "DEAD_AT", "PARKED_AT", "DONE_AT"),
    *("home", "other"),
)
LEASE, NONE = timedelta(seconds=60), timedelta(0)
CAME = datetime(2026, 11, 24, 12, 0, 0, 123456, UTC)


def delivery(number: int, boundary: str = "payments", *, came: datetime = CAME) -> Delivery:
    """Return a delivery whose content and fields aren't ASCII alone."""
    fields = Fields([("Stripe-Signature", "t=1,v1=é"), ("stripe-signature", "v1=2")])
    via = Via("10.0.0.1", "https", "POST", "/hook?a=%20")
    name = f"{number:032x}"
    return Delivery(name, boundary, b"k\0\xff", b"\0{}\xff", fields, came, via, f"c{number}")


@pytest.fixture
async def inbox(each_store: Any) -> Any:
    """Return the inbox of each store's face."""
    return Face(each_store.thing.inbox)


async def test_what_is_kept_comes_back_as_it_was(inbox: Any) -> None:
    """Bytes, repeated fields, the microsecond of its receipt; kept once, whoever sends it again."""
    assert await inbox.put(delivery(1))
    assert not await inbox.put(delivery(1))
    taken = await inbox.take("payments", lease=LEASE)
    assert tuple(taken.delivery.fields) == tuple(delivery(1).fields)
    for name in ("id", "boundary", "key", "content", "received_at", "via", "crossing_id"):
        assert getattr(taken.delivery, name) == getattr(delivery(1), name)
    assert taken.attempts == 1
    listed, whole = await inbox.show(delivery(1).id)
    assert (listed.state, listed.content_bytes) == (State.TAKEN, 4)
    assert whole.content == delivery(1).content
    assert await inbox.show("0" * 32) is None


async def test_one_boundary_takes_nothing_of_another(inbox: Any) -> None:
    """Nor by its id; each has its own."""
    await inbox.put(delivery(1, "payments"))
    await inbox.put(delivery(2, "refunds"))
    assert await inbox.take("orders", lease=LEASE) is None
    assert await inbox.take("payments", lease=LEASE, id=delivery(2).id) is None
    assert (await inbox.take("refunds", lease=LEASE)).delivery.id == delivery(2).id
    assert await inbox.take("refunds", lease=LEASE) is None
    assert (await inbox.take("payments", lease=LEASE, id=delivery(1).id)).attempts == 1


async def test_the_one_that_is_due_for_longest_comes_first(inbox: Any) -> None:
    """A pause puts one behind; before its end it is taken by its id alone."""
    for number in (1, 2):
        await inbox.put(delivery(number))
    first = await inbox.take("payments", lease=LEASE)
    assert await inbox.later(
        first.delivery.id, first.token, pause=LEASE, code="later", crossing_id="c9"
    )
    second = await inbox.take("payments", lease=LEASE)
    assert second.delivery.id != first.delivery.id
    assert await inbox.take("payments", lease=LEASE) is None
    listed, _ = await inbox.show(first.delivery.id)
    assert (listed.state, listed.code, listed.last_id) == (State.WAITING, "later", "c9")
    assert NONE < listed.due_in <= LEASE
    again = await inbox.take("payments", lease=LEASE, id=first.delivery.id)
    assert (again.attempts, again.token > first.token) == (2, True)


async def test_a_token_that_has_passed_ends_nothing(inbox: Any) -> None:
    """The lease had ended and another one has it: late words count for nothing, its own do."""
    await inbox.put(delivery(1))
    name = delivery(1).id
    late = await inbox.take("payments", lease=NONE)
    has = await inbox.take("payments", lease=LEASE)
    assert has.token > late.token
    assert not await inbox.done(name, late.token)
    assert not await inbox.later(name, late.token, pause=NONE, code="x")
    assert not await inbox.dead(name, late.token, code="x")
    assert await inbox.dead(name, has.token, code="not_confirmed", crossing_id="c2")
    assert not await inbox.done(name, has.token)
    listed, whole = await inbox.show(name)
    assert (listed.state, listed.code, listed.last_id) == (State.DEAD, "not_confirmed", "c2")
    assert whole.content == delivery(1).content


async def test_an_operator_moves_what_no_worker_has(inbox: Any) -> None:
    """Dead or parked is replayed with all attempts, waiting or dead is parked; done stays done."""
    await inbox.put(delivery(1))
    name = delivery(1).id
    first = await inbox.take("payments", lease=LEASE)
    for to in (State.WAITING, State.PARKED):
        assert not await inbox.move(name, to)
    await inbox.dead(name, first.token, code="x")
    assert await inbox.move(name, State.PARKED)
    assert await inbox.take("payments", lease=LEASE, id=name) is None
    assert await inbox.move(name, State.WAITING)
    second = await inbox.take("payments", lease=NONE)
    assert second.attempts == 1
    assert await inbox.move(name, State.PARKED)  # its lease is over
    assert not await inbox.done(name, second.token)
    assert await inbox.move(name, State.WAITING)
    third = await inbox.take("payments", lease=LEASE)
    assert await inbox.done(name, third.token)
    for to in (State.WAITING, State.PARKED):
        assert not await inbox.move(name, to)
    assert not await inbox.move("0" * 32, State.WAITING)


async def test_rows_are_listed_by_page_state_and_boundary(inbox: Any) -> None:
    """In the order of their ids, each once, without what is of another state or boundary."""
    for number in range(7):
        await inbox.put(delivery(number, "refunds" if number == 3 else "payments"))
    taken = await inbox.take("refunds", lease=LEASE)
    await inbox.dead(taken.delivery.id, taken.token, code="x")
    names = [row.id for row in await inbox.listed()]
    assert names == [delivery(number).id for number in range(7)]
    pages, after = [], ""
    while rows := await inbox.listed("payments", after=after, most=4):
        pages.append(len(rows))
        after = rows[-1].id
    assert pages == [4, 2]
    assert [row.id for row in await inbox.listed(state=State.DEAD)] == [delivery(3).id]
    assert await inbox.listed("payments", state=State.DEAD) == []
    assert await inbox.listed(state=State.UNKNOWN) == []


async def test_what_stands_in_it_is_counted(inbox: Any) -> None:
    """Pending with the age of the oldest, dead, parked, each of one boundary."""
    for number in range(4):
        await inbox.put(delivery(number, came=CAME + timedelta(seconds=number)))
    await inbox.put(delivery(9, "refunds"))
    taken = [await inbox.take("payments", lease=LEASE) for _ in range(3)]
    await inbox.dead(taken[0].delivery.id, taken[0].token, code="x")
    await inbox.done(taken[1].delivery.id, taken[1].token)
    status = await inbox.status("payments")
    assert (status.pending, status.dead, status.parked) == (2, 1, 0)
    assert status.oldest > timedelta(0)
    (waits,) = await inbox.listed("payments", state=State.WAITING)
    assert await inbox.move(waits.id, State.PARKED)
    status = await inbox.status("payments")
    assert (status.pending, status.dead, status.parked) == (1, 1, 1)
    empty = await inbox.status("orders")
    assert (empty.pending, empty.oldest, empty.dead, empty.parked) == (0, NONE, 0, 0)


async def test_what_was_forgotten_is_told_once_in_its_time(inbox: Any) -> None:
    """Due for so long and not told since; what a worker has isn't due."""
    for number in range(3):
        await inbox.put(delivery(number))
    taken = await inbox.take("payments", lease=LEASE)
    assert await inbox.forgotten("payments", since=LEASE, most=9) == []
    first = await inbox.forgotten("payments", since=NONE, most=1)
    rest = await inbox.forgotten("payments", since=NONE, most=9)
    assert len(first) == 1
    assert taken.delivery.id not in {*first, *rest}
    assert await inbox.forgotten("payments", since=LEASE, most=9) == []


async def test_what_is_done_goes_after_a_while(inbox: Any) -> None:
    """Its content at once, its row by its age and a slice at a time; what waits stays."""
    for number in range(4):
        await inbox.put(delivery(number))
    for _ in range(3):
        taken = await inbox.take("payments", lease=LEASE)
        assert await inbox.done(taken.delivery.id, taken.token)
    listed, whole = await inbox.show(taken.delivery.id)
    assert (listed.content_bytes, whole.content, tuple(whole.fields)) == (0, b"", ())
    assert await inbox.forget("payments", kept=LEASE, most=9) == 0
    assert await inbox.forget("payments", kept=NONE, most=2) == 2
    assert await inbox.forget("payments", kept=NONE, most=9) == 1
    assert len(await inbox.listed()) == 1


async def test_a_queue_in_the_same_database_is_told_in_the_same_commit(
    each_store: Any, inbox: Any
) -> None:
    """Each new delivery once, with the session of that commit; and again what it forgot."""
    told: list[tuple[str, object]] = []

    def tell(id: str, session: object) -> None:
        told.append((id, session))

    async def atell(id: str, session: object) -> None:
        tell(id, session)

    call = atell if type(inbox.thing).__name__ == "AsyncSqlInbox" else tell
    if not each_store.has_session:
        with pytest.raises(StoreError, match="no session"):
            await inbox.put(delivery(1), call)
        with pytest.raises(StoreError, match="no session"):
            await inbox.forgotten("payments", since=NONE, most=9, within=call)
        assert await inbox.put(delivery(1))
        return
    assert await inbox.put(delivery(1), call)
    assert not await inbox.put(delivery(1), call)
    assert [name for name, _ in told] == [delivery(1).id]
    assert told[0][1] is not None
    assert await inbox.forgotten("payments", since=NONE, most=9, within=call) == [delivery(1).id]
    assert len(told) == 2


async def test_what_telling_a_queue_raises_undoes_the_delivery(inbox: Any) -> None:
    """Nothing is kept, and the sender is asked to retry; without it, it is."""

    def broken(_id: str, _session: object) -> None:
        raise StoreError("the queue is away")

    async def abroken(id: str, session: object) -> None:
        broken(id, session)

    is_async = type(inbox.thing).__name__ == "AsyncSqlInbox"
    with pytest.raises(StoreError):
        await inbox.put(delivery(1), abroken if is_async else broken)
    assert await inbox.listed() == []
    assert await inbox.put(delivery(1))


ALTERED = {
    "a later state": "state = 9",
    "a state of no kind": "state = 'asleep'",
    "a moment out of the calendar": f"received_us = {9 * 10**18}",
    "a due moment out of reach": f"due_ms = {9 * 10**18}, state = 3",
    "fields of no kind": "brought = x'00'",
    "a text that turns the line": "code = 'a' || char(10) || 'b', boundary = x'ff'",
}


@pytest.mark.parametrize("altered", ALTERED)
def test_a_row_that_was_altered_is_listed_and_shown(tmp_path: Path, altered: str) -> None:
    """One of them keeps no other from the operator's eyes; what can be read of it is there."""
    path = tmp_path / "kept.db"
    store = stores.sqlite3(lambda: sqlite3.connect(path))
    store.sync.start()
    inbox = store.sync.inbox
    for number in (1, 2):
        inbox.put(delivery(number))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute(f"UPDATE pratique_inbox SET {ALTERED[altered]} WHERE id = '{delivery(1).id}'")
    rows = inbox.listed()
    assert [row.id for row in rows] == [delivery(1).id, delivery(2).id]
    assert (rows[1].state, rows[1].received_at) == (State.WAITING, CAME)
    is_unknown = "state of" in altered or "later state" in altered
    assert (rows[0].state is State.UNKNOWN) == is_unknown
    assert len(inbox.listed(state=State.UNKNOWN)) == is_unknown
    if is_unknown:
        assert inbox.take("payments", lease=LEASE, id=delivery(1).id) is None
        assert not inbox.move(delivery(1).id, State.WAITING)
    store.sync.close()


@pytest.mark.server
@pytest.mark.parametrize(
    "raw", [b"\xc1", b"\x01", b"\x90", None], ids=["junk", "a number", "short", "gone"]
)
def test_a_row_that_was_altered_in_redis_holds_up_no_other(
    redis_server: Any, redis_url: str, raw: bytes | None
) -> None:
    """Due for longest at each look: it is a dead letter or gone, and what is behind it is worked."""
    store = stores.redis(redis_url)
    store.start()
    inbox = store.inbox
    for number in (1, 2):
        inbox.put(delivery(number))
    rows, contents = (inbox_steps.TAG + name for name in (b"rows", b"contents"))
    name = delivery(1).id
    with redis_server.client() as client:
        if raw is None:
            client.hdel(rows, name)
        else:
            client.hset(rows, name, raw)
        client.hset(contents, delivery(2).id, b"junk")
    listed = {row.id: row.state for row in inbox.listed()}
    assert listed[delivery(2).id] is State.WAITING
    assert listed.get(name) is (State.UNKNOWN if raw is not None else None)
    assert [row.id for row in inbox.listed(state=State.UNKNOWN)] == ([name] if raw else [])
    assert inbox.show(delivery(2).id)[1] is None
    assert not inbox.move(name, State.WAITING)
    inbox.put(delivery(3))
    assert inbox.take("payments", lease=LEASE).delivery.id == delivery(3).id
    assert inbox.take("payments", lease=LEASE) is None
    dead = {row.id: row.code for row in inbox.listed(state=State.DEAD)}
    assert dead == dict.fromkeys([name] * (raw is not None) + [delivery(2).id], "unreadable_row")
    status = inbox.status("payments")
    assert (status.pending, status.dead) == (1, len(dead))
    store.close()


def test_each_script_touches_keys_of_one_slot_that_it_is_told() -> None:
    """So they hold on Redis Cluster: every key is declared, and none is made up in a script."""
    for script in inbox_scripts.SCRIPTS:
        assert "KEYS[" not in script.text
        assert script.text.count("unpack(KEYS)") == 1
        calls = re.findall(r"redis\.call\('(\w+)'(?:, (\w+))?", script.text)
        assert len(calls) == script.text.count("redis.call(")
        assert {key for _, key in calls} <= {"", *KEYS_BY_NAME}
        assert {word for word, key in calls if not key} == {"TIME"}
    asked = [inbox_steps.put(delivery(1)), inbox_steps.status("other {tag}"), inbox_steps.show("x")]
    for steps in asked:
        ask = next(steps)
        for key in (ask.key, *ask.more):
            assert key.partition(b"{")[2].partition(b"}")[0] == b"inbox"
