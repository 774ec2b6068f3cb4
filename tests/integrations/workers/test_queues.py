"""The users' own queues: Celery is told after the commit, procrastinate's job is in it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from celery import Celery
from procrastinate import App, PsycopgConnector
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from pratique import Perimeter, Refused, stores
from pratique.core.inbox import State
from pratique.core.refusal import BoundaryError, StoreError
from pratique.integrations import celery, procrastinate
from pratique.integrations.django import store as django_store
from pratique.webhook import End, Inbox, Webhook
from tests import django_site
from tests.shop import NOW, boundary, claim
from tests.shop_postgres import plain
from tests.webhook.inbox.test_worker import Kept

PAUSE = timedelta(seconds=2)


def shop(store: Any, done: list[str], *, is_async: bool = False) -> tuple[Perimeter, Webhook]:
    """Return a shop that keeps its deliveries and notes its effects."""
    perimeter = Perimeter(store=store, clock=lambda: NOW, deadline=timedelta(seconds=30))
    payments = perimeter.declare(
        boundary(inbox=Inbox(first_pause=PAUSE, longest_pause=PAUSE, attempts=3))
    )

    def confirm(event: Any) -> str:
        if event.object_id == "raises":
            raise ValueError
        return str(event.object_id)

    async def aact(paid: Any) -> None:
        done.append(paid.confirmed)

    def act(paid: Any) -> None:
        done.append(paid.confirmed)

    payments.on(
        "invoice.paid", confirm=confirm, once=lambda i: i, link=lambda i: i, allow=lambda i, r: True
    )(aact if is_async else act)
    return perimeter, payments


def keep(perimeter: Perimeter, payments: Webhook, name: str) -> None:
    """Let the endpoint take one in."""
    with pytest.raises(Refused, match="received"):
        perimeter.admit(payments, claim(f"evt_{name}", invoice=name))


# ------------------------------------------------------------------------------------------ Celery


def celery_app() -> Celery:
    """Return an application whose tasks run where they are sent, and raise there."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    return app


def test_celery_works_what_it_is_told() -> None:
    """The task runs in eager mode: the delivery is done by the time that its sender hears 202."""
    kept = Kept()
    celery.inbox_task(celery_app(), kept.payments)
    with kept.perimeter:
        kept.keep("one")
        assert kept.done == ["one"]
        (row,) = kept.payments.sync_inbox().listed()
        assert row.state is State.DONE


def test_a_short_pause_is_celerys_and_a_long_one_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that waits for long is lost with its worker: the row waits, and is swept."""
    for longest, is_retried in ((timedelta(seconds=2), True), (timedelta(hours=4), False)):
        inbox = Inbox(attempts=3, first_pause=longest, longest_pause=longest)
        kept, asked = Kept(inbox), []
        task = celery.inbox_task(Celery("shop", set_as_current=False), kept.payments)

        def retry(asked: Any = asked, **named: Any) -> Exception:
            asked.append(named)
            return RuntimeError("again")

        monkeypatch.setattr(task, "retry", retry)
        monkeypatch.setattr(task, "apply_async", lambda *_, **__: None)
        with kept.perimeter:
            kept.keep("raises")
            (row,) = kept.payments.sync_inbox().listed()
            if is_retried:
                with pytest.raises(RuntimeError, match="again"):
                    task(row.id)
                assert 1 <= asked[0]["countdown"] <= 2
            else:
                task(row.id)
                assert asked == []
            assert kept.payments.sync_inbox().listed()[0].code == "internal"


def test_celery_tries_again_while_the_store_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was taken; the task comes back."""
    kept = Kept()
    task = celery.inbox_task(Celery("shop", set_as_current=False), kept.payments)

    def down(_id: str) -> None:
        raise StoreError("it is down")

    asked: list[Any] = []
    monkeypatch.setattr(kept.payments, "work", down)
    monkeypatch.setattr(task, "retry", lambda **named: asked.append(named) or RuntimeError("again"))
    with pytest.raises(RuntimeError, match="again"):
        task("0" * 32)
    assert asked[0]["countdown"] == 5


def test_celery_sweeps_each_minute() -> None:
    """Beat's schedule has a task that tells again."""
    kept, app = Kept(), celery_app()
    celery.inbox_task(app, kept.payments)
    entry = app.conf.beat_schedule["pratique.payments.sweep"]
    assert (entry["task"], entry["schedule"]) == ("pratique.payments.sweep", 60.0)
    with kept.perimeter:
        app.tasks["pratique.payments.sweep"]()
    twice = Kept()
    celery.inbox_task(celery_app(), twice.payments)
    with pytest.raises(BoundaryError, match="already"):
        celery.inbox_task(celery_app(), twice.payments)


# ----------------------------------------------------------------------------------- procrastinate


@pytest.fixture
def jobs(pg_url: str) -> App:
    """Return an application of procrastinate in an empty database."""
    conninfo = pg_url.replace("+psycopg", "")
    app = App(connector=PsycopgConnector(conninfo=conninfo))
    with app.open():
        app.schema_manager.apply_schema()
    return App(connector=PsycopgConnector(conninfo=conninfo))


def worked(app: App) -> None:
    """Let a worker of procrastinate do what there is."""

    async def work() -> None:
        async with app.open_async():
            await app.run_worker_async(
                wait=False, install_signal_handlers=False, listen_notify=False
            )

    asyncio.run(work())


def count(url: str, where: str = "true") -> int:
    """Count the jobs that work deliveries."""
    engine = create_engine(url)
    with engine.connect() as db:
        asked = text(
            "SELECT count(*) FROM procrastinate_jobs "
            f"WHERE task_name = 'pratique.payments' AND {where}"
        )
        found = int(db.scalar(asked) or 0)
    engine.dispose()
    return found


@pytest.mark.server
def test_a_job_and_its_delivery_are_one_commit(
    pg_url: str, jobs: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails in it keeps neither, and the sender is asked to retry; then both are there, once."""
    engine, done = create_engine(pg_url), list[str]()
    perimeter, payments = shop(stores.sqlalchemy(sessionmaker(engine)), done)
    procrastinate.inbox_task(jobs, payments)
    with perimeter:
        real = Session.commit

        def fails(_session: Session) -> None:
            raise ConnectionError

        with monkeypatch.context() as patch:
            patch.setattr(Session, "commit", fails)
            with pytest.raises(Refused) as refused:
                perimeter.admit(payments, claim("evt_one", invoice="one"))
        assert (refused.value.status, real) == (503, Session.commit)
        assert (count(pg_url), len(payments.sync_inbox().listed())) == (0, 0)
        keep(perimeter, payments, "one")
        with pytest.raises(Refused, match="received_before"):
            perimeter.admit(payments, claim("evt_one", invoice="one"))
        assert (count(pg_url), done) == (1, [])
        worked(jobs)
        assert (count(pg_url, "status = 'succeeded'"), done) == (1, ["one"])
    engine.dispose()


@pytest.mark.server
def test_a_pause_is_a_job_of_its_own_and_a_lost_job_is_put_in_again(pg_url: str, jobs: App) -> None:
    """What waits is scheduled; a job of a killed worker is worked again; a lost one is swept."""
    engine, done = create_engine(pg_url), list[str]()
    perimeter, payments = shop(stores.sqlalchemy(sessionmaker(engine)), done)
    procrastinate.inbox_task(jobs, payments)
    with perimeter:
        keep(perimeter, payments, "raises")
        worked(jobs)
        assert count(pg_url, "status = 'todo' AND scheduled_at > now()") == 1
        keep(perimeter, payments, "one")
        with engine.begin() as db:
            db.execute(
                text(
                    "UPDATE procrastinate_jobs SET status = 'doing' WHERE scheduled_at IS NULL "
                    "AND status = 'todo'"
                )
            )
        worked(jobs)
        assert done == []

        async def revived() -> int:
            async with jobs.open_async():
                return await procrastinate.retry_stalled(jobs, "pratique.payments")

        assert asyncio.run(revived()) == 1
        worked(jobs)
        assert done == ["one"]
        keep(perimeter, payments, "two")
        with engine.begin() as db:
            db.execute(text("DELETE FROM procrastinate_jobs"))
            db.execute(text("UPDATE pratique_inbox SET due_ms = due_ms + 60000 WHERE code <> ''"))
        assert payments.sweep(since=timedelta(0)) == 1
        worked(jobs)
        assert done == ["one", "two"]
    engine.dispose()


@contextmanager
def on_psycopg(url: str, kind: str) -> Iterator[Any]:
    """Give a store whose session is a connection of psycopg's, or Django's alias."""
    if kind == "psycopg":
        yield stores.postgres(url)
        return
    with django_site.databases(default=django_site.postgresql(url)):
        django_site.migrate(with_shop=False)
        yield django_store()


@pytest.mark.server
@pytest.mark.parametrize("kind", ["psycopg", "django"])
def test_a_job_is_put_in_with_each_kind_of_session(pg_url: str, jobs: App, kind: str) -> None:
    """Where it can't be, the delivery isn't kept either; then both are there, and it is worked."""
    done, asked = list[str](), "ALTER TABLE procrastinate_jobs RENAME TO gone"
    with on_psycopg(pg_url, kind) as store, psycopg.connect(plain(pg_url), autocommit=True) as db:
        perimeter, payments = shop(store, done)
        procrastinate.inbox_task(jobs, payments)
        with perimeter:
            db.execute(asked)
            with pytest.raises(Refused) as refused:
                perimeter.admit(payments, claim("evt_one", invoice="one"))
            db.execute("ALTER TABLE gone RENAME TO procrastinate_jobs")
            assert (refused.value.status, list(payments.sync_inbox().listed())) == (503, [])
            keep(perimeter, payments, "one")
            assert count(pg_url) == 1
            (row,) = payments.sync_inbox().listed()
            assert payments.work(row.id).end is End.DONE
    assert done == ["one"]


@pytest.mark.server
@pytest.mark.parametrize("kind", ["sqlalchemy", "psycopg"])
async def test_a_job_is_put_in_on_the_event_loop_too(pg_url: str, jobs: App, kind: str) -> None:
    """With an async session of SQLAlchemy's, and with an async connection of psycopg's."""
    engine, done = create_async_engine(pg_url), list[str]()
    store: Any = stores.sqlalchemy(async_sessionmaker(engine))
    if kind == "psycopg":
        store = stores.postgres(pg_url, connection=psycopg.AsyncConnection)
    perimeter, payments = shop(store, done, is_async=True)
    procrastinate.inbox_task(jobs, payments)
    async with perimeter, jobs.open_async():
        with pytest.raises(Refused, match="received"):
            await perimeter.aadmit(payments, claim("evt_one", invoice="one"))
        await jobs.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
        assert done == ["one"]
        assert await payments.asweep(since=timedelta(0)) == 0
    await engine.dispose()


def test_procrastinate_needs_a_declared_boundary() -> None:
    """Before it is declared nobody knows its store."""
    with pytest.raises(BoundaryError, match=r"comes after perimeter\.declare"):
        procrastinate.inbox_task(App(connector=PsycopgConnector()), boundary(inbox=Inbox()))
