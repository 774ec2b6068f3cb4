"""The worker: what is poisoned delays no other, what is told is worked, what is lost is told again."""

import asyncio
import json
import logging
import threading
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Claim, Perimeter, Refused, Secret, stores, unsafe
from pratique.core.inbox import State
from pratique.core.refusal import BoundaryError, StoreError
from pratique.webhook import End, Inbox, Webhook, Worker, providers
from tests.processes import wait_for
from tests.shop import NOW, boundary, claim
from tests.webhook.inbox.shops import QUICK


class Kept:
    """A shop in memory whose `confirm` does to each event what its object's name says."""

    def __init__(self, inbox: Inbox = QUICK, *, store: Any = None, deadline: float = 0.2) -> None:
        self.perimeter = Perimeter(
            store=store or stores.memory(),
            clock=lambda: NOW,
            deadline=timedelta(seconds=deadline),
        )
        self.payments: Webhook = self.perimeter.declare(boundary(inbox=inbox))
        self.done: list[str] = []
        self.hang = threading.Event()
        self.payments.on(
            "invoice.paid",
            confirm=self._confirm,
            once=lambda name: name,
            link=lambda name: name,
            allow=lambda _name, _row: True,
        )(self._act)

    def _confirm(self, event: Any) -> str:
        if event.object_id.startswith("raises"):
            raise ValueError(event.object_id)
        if event.object_id.startswith("hangs"):
            self.hang.wait(30)
        return str(event.object_id)

    def _act(self, paid: Any) -> None:
        if paid.confirmed.startswith("effect"):
            raise RuntimeError("the effect failed")
        self.done.append(paid.confirmed)

    def keep(self, *names: str) -> None:
        """Let the endpoint take these in."""
        for name in names:
            with pytest.raises(Exception, match="received"):
                self.perimeter.admit(self.payments, claim(f"evt_{name}", invoice=name))

    def rows(self) -> dict[str, Any]:
        """Return the rows by the first words of their code."""
        return {row.code: row for row in self.payments.sync_inbox().listed()}


IN_REDIS = pytest.param("redis", marks=pytest.mark.server)


def kept_in(kind: str, request: pytest.FixtureRequest) -> Kept:
    """Return a shop whose deliveries are in memory or in Redis; there its deadline is longer."""
    if kind == "memory":
        return Kept()
    return Kept(store=stores.redis(request.getfixturevalue("redis_url")), deadline=1.5)


@pytest.mark.parametrize("kind", ["memory", IN_REDIS])
def test_a_poisoned_event_delays_no_other(kind: str, request: pytest.FixtureRequest) -> None:
    """One hangs to the deadline, one raises, one's effect raises: the others are done, each once."""
    kept = kept_in(kind, request)
    with kept.perimeter:
        kept.keep("hangs", "raises", "effect", *(f"good_{n}" for n in range(20)))
        worker = kept.payments.worker(tasks=2)
        assert worker.drain() > 20
        assert len(kept.done) == 20
        while kept.payments.inbox_status().pending:
            worker.drain()
        kept.hang.set()
        rows = kept.rows()
    assert sorted(kept.done) == sorted(f"good_{n}" for n in range(20))
    assert {code: rows[code].state for code in ("deadline", "internal", "effect_failed")} == {
        "deadline": State.DEAD,
        "internal": State.DEAD,
        "effect_failed": State.DEAD,
    }
    assert rows["internal"].attempts == QUICK.attempts


@pytest.mark.parametrize("kind", ["memory", IN_REDIS])
def test_one_that_kills_each_of_its_workers_is_a_dead_letter(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """Nobody comes back to say why: taken more often than declared, it is taken no more."""
    kept = kept_in(kind, request)
    with kept.perimeter:
        kept.keep("good")
        inbox = kept.payments.sync_inbox()
        for _ in range(QUICK.attempts):
            taken = inbox.take("payments", lease=timedelta(0))
        assert taken is not None
        worked = kept.payments.work(taken.delivery.id)
        assert (worked.end, worked.code) == (End.DEAD, "no_end")
        assert inbox.move(taken.delivery.id, State.WAITING)
        assert kept.payments.work(taken.delivery.id).end is End.DONE
    assert kept.done == ["good"]


def test_pauses_double_up_to_the_longest_and_are_never_the_same() -> None:
    """From half a pause to a whole one, whatever the number of attempts."""
    inbox = Inbox()
    whole = [inbox.pause(n, 0).total_seconds() for n in (1, 2, 3, 11, 12, 13, 10_000)]
    assert whole == [5, 10, 20, 5120, 10240, 14400, 14400]
    assert inbox.pause(3, 1) == timedelta(seconds=10)
    total = sum((inbox.pause(n, 0.5) for n in range(1, inbox.attempts)), timedelta(0))
    assert timedelta(hours=20) < total < timedelta(hours=30)


def test_a_sender_of_answers_may_lengthen_a_pause_up_to_the_longest() -> None:
    """Retry-After of a source is heeded, and bounds nothing away."""
    slow = Inbox(first_pause=timedelta(seconds=1), longest_pause=timedelta(seconds=3))
    kept = Kept(slow)
    with kept.perimeter:
        kept.keep("raises")
        (row,) = kept.payments.sync_inbox().listed()
        worked = kept.payments.work(row.id)
    assert worked.again_in == timedelta(seconds=3)  # a refusal asks for 5 s


@pytest.mark.parametrize(
    ("inbox", "said"),
    [
        (Inbox(attempts=0), "works nothing"),
        (Inbox(lease=timedelta(0)), "lease=0:00:00"),
        (Inbox(lease=timedelta(seconds=5)), "isn't longer than the perimeter's deadline"),
        (Inbox(first_pause=timedelta(0)), "first_pause"),
        (Inbox(first_pause=timedelta(hours=9)), "shorter than first_pause"),
        (Inbox(kept=timedelta(days=-1)), "below zero"),
        (Inbox(tell=lambda _id, _session: None), "wants a session"),
    ],
)
def test_a_figure_that_works_nothing_refuses_the_start(inbox: Inbox, said: str) -> None:
    """The twin is the inbox as it comes."""
    with pytest.raises(BoundaryError, match=said):
        Kept(inbox, deadline=10).perimeter.start()
    with Kept(Inbox(), deadline=10).perimeter:
        pass


def test_who_observes_keeps_nothing() -> None:
    """Two declarations that don't go together refuse the start; so does a store without an inbox."""
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    observe = unsafe.observe(until=date(2026, 12, 1), reason="new", owner="me")
    payments = perimeter.declare(boundary(inbox=Inbox(), observe=observe))
    payments.on("a", confirm=lambda e: e, once=lambda i: "i", link=lambda i: i, allow=bool)(print)
    with pytest.raises(BoundaryError, match="don't go together"):
        perimeter.start()


def test_without_an_inbox_nothing_is_worked() -> None:
    """A boundary that decides at once says what to declare."""
    perimeter = Perimeter(store=stores.memory())
    payments = perimeter.declare(boundary())
    for call in (payments.worker, payments.inbox_status, lambda: payments.tell(print)):
        with pytest.raises(BoundaryError, match="keeps no deliveries"):
            call()
    for make in (lambda: Worker(()), lambda: Worker.of(perimeter)):
        with pytest.raises(BoundaryError, match="is above zero"):
            make()


def test_a_queue_is_told_after_the_commit_and_may_fail() -> None:
    """The id is told once a delivery is kept; a broker that is down loses nothing: it is swept."""
    told: list[str] = []
    down = [False]

    def tell(id: str) -> None:
        if down[0]:
            raise ConnectionError
        told.append(id)

    kept = Kept(Inbox(tell=tell))
    with kept.perimeter:
        kept.keep("one")
        down[0] = True
        kept.keep("two")
        down[0] = False
        assert len(told) == 1
        assert kept.payments.work(told[0]).end is End.DONE
        assert kept.payments.sweep(since=timedelta(minutes=1)) == 0
        assert kept.payments.sweep(since=timedelta(0)) == 1
        assert kept.payments.sweep(since=timedelta(minutes=1)) == 0
        assert kept.payments.work(told[1]).end is End.DONE
    assert kept.done == ["one", "two"]


async def test_a_queue_is_told_and_swept_on_the_event_loop() -> None:
    """An async one is awaited, a sync one runs on a thread."""
    told: list[str] = []

    async def tell(id: str) -> None:
        told.append(id)

    for call in (tell, told.append):
        told.clear()
        kept = Kept(Inbox(tell=call))
        async with kept.perimeter:
            with pytest.raises(Exception, match="received"):
                await kept.perimeter.aadmit(kept.payments, claim("evt_1", invoice="one"))
            assert await kept.payments.asweep(since=timedelta(0)) == 1
            assert len(told) == 2
            assert (await kept.payments.awork(told[0])).end is End.DONE


def test_a_boundary_tells_one_queue() -> None:
    """Said twice, or once it has begun to tell, it is a mistake of ours."""
    kept = Kept(Inbox(tell=lambda _id: None))
    with pytest.raises(BoundaryError, match="already"):
        kept.payments.tell(print)
    of_three = Inbox(tell=lambda _a, _b, _c: None)
    with pytest.raises(BoundaryError, match="positional arguments"):
        boundary(inbox=of_three)


def test_a_worker_on_a_thread_works_what_comes_and_stops() -> None:
    """With a context, and attached to the perimeter: what comes is worked, until the close."""
    kept = Kept()
    with kept.perimeter, kept.payments.worker(idle=timedelta(milliseconds=5)):
        kept.keep("one")
        wait_for(lambda: kept.done == ["one"])
    kept = Kept()
    kept.perimeter.attach(Worker.of(kept.perimeter, idle=timedelta(milliseconds=5)))
    with kept.perimeter:
        kept.keep("two")
        wait_for(lambda: kept.done == ["two"])
    assert not [t for t in threading.enumerate() if t.name == "pratique-worker"]


async def test_a_worker_on_the_loop_works_what_comes_and_stops() -> None:
    """Likewise where an event loop runs."""
    kept = Kept()
    kept.perimeter.attach(kept.payments.worker(idle=timedelta(milliseconds=5)))
    async with kept.perimeter:
        await asyncio.to_thread(kept.keep, "one")
        await asyncio.to_thread(wait_for, lambda: kept.done == ["one"])
        async with kept.payments.worker(idle=timedelta(milliseconds=5)):
            await asyncio.to_thread(kept.keep, "two")
            await asyncio.to_thread(wait_for, lambda: len(kept.done) == 2)
    assert kept.done == ["one", "two"]


def test_a_worker_outlives_a_store_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and goes on when the store is back."""
    kept = Kept(store=stores.sqlite(tmp_path / "store.db"), deadline=5)
    with kept.perimeter, caplog.at_level(logging.WARNING, "pratique"):
        real, failed = kept.payments.atake, threading.Event()

        async def down() -> Any:
            failed.set()
            raise StoreError("it is down")

        monkeypatch.setattr(kept.payments, "atake", down)
        with kept.payments.worker(idle=timedelta(milliseconds=5)):
            kept.keep("one")
            wait_for(failed.is_set)
            monkeypatch.setattr(kept.payments, "atake", real)
            wait_for(lambda: kept.done == ["one"])
    assert caplog.text.count("can't be looked at") == 1


def test_nothing_is_worked_before_the_start() -> None:
    """A worker that nobody started a perimeter for is a mistake of ours."""
    kept = Kept()
    for call in (kept.payments.worker().start, lambda: kept.payments.work("0" * 32)):
        with pytest.raises(BoundaryError, match="hasn't started"):
            call()


def mailgun(inbox: Inbox, sender: Any) -> tuple[Perimeter, Webhook, list[str]]:
    """Return a boundary of a sender, and the objects that its `confirm` is asked about."""
    asked: list[str] = []
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    mail = perimeter.declare(Webhook("mail", sender, inbox=inbox))

    def confirm(event: Any) -> str | None:
        asked.append(event.object_id)
        return event.object_id if event.object_id == "honest" else None

    mail.on(
        "delivered",
        content=dict,
        confirm=confirm,
        once=lambda name: name,
        link=lambda name: name,
        allow=lambda _name, _row: True,
    )(lambda _mail: None)
    return perimeter, mail, asked


def test_an_altered_delivery_takes_no_honest_ones_place() -> None:
    """A weak signature beside other content first: the honest one is kept and worked all the same."""
    secret = "key-8sPq2Lx0Vt7RkYw3Zb5N"
    perimeter, mail, asked = mailgun(QUICK, providers.mailgun(secrets=Secret(secret)))

    def sent(name: str) -> Claim:
        content = json.dumps({"event-data": {"event": "delivered", "id": name}}).encode()
        delivery = providers.get("mailgun").sealed(content, secret=secret, at=NOW, key="1" * 50)
        return Claim(delivery.content, delivery.fields, NOW)

    with perimeter:
        for name in ("altered", "honest", "honest"):
            with pytest.raises(Refused, match="received"):
                perimeter.admit(mail, sent(name))
        assert len(mail.sync_inbox().listed()) == 2
        mail.worker(tasks=1).drain()
        assert sorted(asked) == ["altered", "honest"]
        assert mail.inbox_status().dead == 1


def test_a_delivery_that_carries_the_secret_is_not_kept() -> None:
    """GitLab's token rides along: kept, it would lie in the database. The start is refused."""
    sender = providers.get("gitlab-legacy")(secrets=Secret("8sPq2Lx0Vt7RkYw3Zb5N"))
    perimeter, _, _ = mailgun(Inbox(), sender)
    with pytest.raises(BoundaryError, match="would write the secret itself"):
        perimeter.start()
