"""What seldom happens to a kept delivery: a waiver that ended, a store that fails at the last write."""

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from pratique import Claim, Fields, Perimeter, Refused, stores, unsafe
from pratique.core.inbox import State
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import BoundaryError, StoreError
from pratique.webhook import End, Inbox
from pratique.webhook.inbox import Noting
from tests.shop import NOW, boundary, claim
from tests.webhook.inbox.shops import QUICK
from tests.webhook.inbox.test_worker import Kept
from tests.webhook.samples import SAMPLES


def test_what_came_under_a_waiver_is_refused_after_its_end() -> None:
    """Before the end it crosses; after it, it is a dead letter until there is a proof."""
    clock = [NOW]
    perimeter = Perimeter(store=stores.memory(), clock=lambda: clock[0])
    waiver = unsafe.waive(
        ALLOWED, reason="new", owner="me", until=date(2026, 11, 26), bound="10 a day"
    )
    payments = perimeter.declare(boundary(inbox=QUICK))
    payments.on(
        "invoice.paid",
        confirm=lambda event: event.object_id,
        once=lambda name: name,
        link=lambda name: name,
        waivers=[waiver],
    )(lambda paid: None)
    with perimeter:
        for name in ("one", "two"):
            with pytest.raises(Refused, match="received"):
                perimeter.admit(payments, claim(f"evt_{name}", invoice=name))
        first, second = payments.sync_inbox().listed()
        assert payments.work(first.id).end is End.DONE
        clock[0] = NOW + timedelta(days=3)
        worked = payments.work(second.id)
        assert (worked.end, worked.code) == (End.DEAD, "owed_again")


def test_a_last_write_that_fails_costs_a_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can't be said that it waits: it is taken again when its lease has ended, and done."""
    kept = Kept()
    with kept.perimeter:
        kept.keep("raises")
        inbox = kept.payments.sync_inbox()
        (row,) = inbox.listed()

        def down(*_: object, **__: object) -> bool:
            raise StoreError("it is down")

        with monkeypatch.context() as patch:
            patch.setattr(inbox, "later", down)
            assert kept.payments.work(row.id).end is End.AGAIN
        (row,) = inbox.listed()
        assert row.state is State.TAKEN

        with monkeypatch.context() as patch:
            patch.setattr(kept.perimeter, "perform", down)
            assert inbox.later(row.id, 1, pause=timedelta(0), code="")
            worked = kept.payments.work(row.id)
        assert (worked.code, worked.again_in) == ("store_unavailable", QUICK.lease)


def test_a_queue_needs_the_face_that_the_store_has(tmp_path: Path) -> None:
    """An async `tell` beside a sync store, a sync call beside an async one: told."""

    async def tell(_id: str) -> None: ...

    sync = stores.sqlite3(lambda: sqlite3.connect(tmp_path / "shop.db"))
    with pytest.raises(BoundaryError, match="is async, and the store"):
        Kept(Inbox(tell=tell), store=sync, deadline=5).perimeter.start()
    with pytest.raises(BoundaryError, match="hasn't started"):
        boundary(inbox=Inbox()).inbox_status()


async def test_an_async_store_is_asked_on_the_loop(tmp_path: Path) -> None:
    """The sync methods say which ones to await."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    kept = Kept(store=stores.sqlalchemy(async_sessionmaker(engine)), deadline=5)
    async with kept.perimeter:
        with pytest.raises(BoundaryError, match="asked on the event loop"):
            kept.payments.work("0" * 32)
        assert await kept.payments.asweep() == 0
        with pytest.raises(BoundaryError, match="after the start"):
            kept.payments.tell(print)
    await engine.dispose()


def test_a_store_without_an_inbox_refuses_the_start() -> None:
    """The sentence names the stores that keep one; without any there is nothing to keep in."""

    class Bare:
        name, transactional, has_session, roots = "bare", True, False, ()
        sync = asynchronous = None

    with pytest.raises(BoundaryError, match="the store bare can't"):
        Kept(store=Bare()).perimeter.start()
    with Kept().perimeter:
        pass


def test_every_way_to_look_at_a_field_is_noted() -> None:
    """Whatever a scheme asks for is kept: one, all, whether it is there, by name, each line."""
    came = claim()
    name = "stripe-signature"
    looks: list[Any] = [
        lambda fields: fields.one(name),
        lambda fields: fields.all(name),
        lambda fields: name in fields,
        lambda fields: fields.by_name[name],
        lambda fields: fields.by_name.get(name),
        lambda fields: list(fields.by_name),
        list,
    ]
    for look in looks:
        noting = Noting(came)
        assert not noting._is_needed(name)
        assert look(noting.claim.fields)
        assert noting._is_needed("Stripe-Signature")
    assert len(Noting(came).claim.fields.by_name) == 1


async def test_a_worker_that_fails_in_itself_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A defect of ours ends no worker; what is in hand is taken by no second task of it."""
    kept = Kept()
    async with kept.perimeter:
        inbox = kept.payments.async_inbox()
        with pytest.raises(Refused, match="received"):
            await kept.perimeter.aadmit(kept.payments, claim("evt_one", invoice="one"))
        worker = kept.payments.worker()

        async def broken(_taken: Any) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(kept.payments, "awork_taken", broken)
            assert await worker.adrain() == 1
        assert "could not be worked" in caplog.text
        (row,) = await inbox.listed()
        assert await inbox.later(row.id, 1, pause=timedelta(0), code="")
        worker._in_hand.add(row.id)
        assert await worker.adrain() == 0
        worker._in_hand.clear()
        assert await inbox.later(row.id, 2, pause=timedelta(0), code="")
        assert await worker.adrain() == 1
        worker.stop()
        assert await worker.adrain() == 0

        async def down() -> Any:
            raise StoreError("it is down")

        monkeypatch.setattr(kept.payments, "atake", down)
        with pytest.raises(StoreError, match="down"):
            await kept.payments.worker().adrain()
        kept.payments.is_disabled = True
        assert await kept.payments.worker().adrain() == 0
    assert kept.done == ["one"]


@pytest.mark.parametrize("altered", ["brought = x'00'", f"received_us = {9 * 10**18}"])
def test_a_row_that_was_altered_holds_up_no_other(tmp_path: Path, altered: str) -> None:
    """It is due for longest at each look: it is a dead letter, and what is behind it is worked."""

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(tmp_path / "shop.db")

    kept = Kept(store=stores.sqlite3(connect), deadline=5)
    with kept.perimeter:
        kept.keep("one", "two")
        first, second = kept.payments.sync_inbox().listed()
        with closing(connect()) as db, db:
            db.execute(f"UPDATE pratique_inbox SET {altered}, due_ms = 1 WHERE id = '{first.id}'")
        assert kept.payments.worker().drain() == 1
        status = kept.payments.inbox_status()
        (left,) = kept.payments.sync_inbox().listed(state=State.DONE)
        assert kept.payments.work(first.id).end is End.NOT_TAKEN
        with closing(connect()) as db:
            codes = db.execute("SELECT code FROM pratique_inbox WHERE state = 3").fetchall()
    assert left.id == second.id
    assert (status.dead, status.pending, codes) == (1, 0, [("unreadable_row",)])


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_no_scheme_looks_at_a_field_that_is_somebody_elses(name: str) -> None:
    """What is looked at is kept in the database: never a cookie or a token beside the delivery."""
    sample = SAMPLES[name]
    honest = sample.sealed()
    lines = [*honest.fields, ("Cookie", "session=1"), ("Authorization", "Bearer t")]
    noting = Noting(Claim(honest.content, Fields(lines), honest.received_at, honest.via))
    assert sample.open(noting.claim).key == sample.open(honest).key
    assert not any(noting._is_needed(each) for each in ("Cookie", "Authorization"))
