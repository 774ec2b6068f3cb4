"""Effect and single use are one commit of Django's connection.

Who tries to part them is refused, before it happens where it can be.
"""

import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connections, transaction

from pratique import Perimeter, Refused
from pratique.core.refusal import BoundaryError, StoreBusy, StoreError
from pratique.integrations.django import store
from tests import django_site as site
from tests import shop as shops
from tests.shop import NOW, Invoice, boundary, claim


def sql(statement: str) -> Callable[[str], None]:
    """Return a handler's rest that executes a statement."""

    def act(db: str) -> None:
        with connections[db].cursor() as cursor:
            cursor.execute(statement)

    return act


def swallowed(db: str) -> None:
    """Commit, and hide what it raised."""
    try:
        sql("COMMIT")(db)
    except (BoundaryError, DatabaseError):
        return


def marked(db: str) -> None:
    """Have Django roll back without a word at the end."""
    transaction.set_rollback(True, using=db)


def left_open(db: str) -> None:
    """Leave a block of atomic open: the commit would be a savepoint's."""
    transaction.atomic(using=db).__enter__()


def beneath(db: str) -> None:
    """Commit on the driver's own connection, and go on in another transaction."""
    connections[db].connection.commit()
    sql("UPDATE subscription SET upgrades = 7")(db)


def nested(db: str) -> None:
    """Change something in a block of its own."""
    with transaction.atomic(using=db):
        sql("UPDATE subscription SET amount = 7 WHERE id = 1")(db)


def nested_and_undone(db: str) -> None:
    """Undo a block of its own."""
    with transaction.atomic(using=db):
        sql("UPDATE subscription SET amount = 7 WHERE id = 1")(db)
        transaction.set_rollback(True, using=db)


ENDS = {
    "transaction.commit": lambda db: transaction.commit(using=db),
    "transaction.rollback": lambda db: transaction.rollback(using=db),
    "set_autocommit": lambda db: transaction.set_autocommit(True, using=db),
    "set_rollback": marked,
    "close": lambda db: connections[db].close(),
    "COMMIT": sql("COMMIT"),
    "commit after a comment": sql("/* now */ commit"),
    "ROLLBACK": sql("ROLLBACK"),
    "swallowed": swallowed,
    "a block left open": left_open,
}
STAYS = {
    "nothing": lambda _: None,
    "atomic": nested,
    "atomic rolled back": nested_and_undone,
    "the word in a value": sql("UPDATE subscription SET customer = 'x; commit' WHERE id = 1"),
}


@pytest.mark.parametrize(
    ("end", "deadline"), [*((end, None) for end in ENDS), ("COMMIT", "ten seconds")]
)
def test_a_handler_that_ends_the_transaction_has_no_effect(
    migrated: Any, end: str, deadline: str | None
) -> None:
    """Nothing was written, neither the effect nor the key; on this thread and on one of ours."""
    shop = site.shop(ENDS[end], **({} if deadline else {"deadline": None}))
    with shop.perimeter as perimeter:
        for _ in range(2):
            with pytest.raises((BoundaryError, DatabaseError)):
                perimeter.admit(shop.payments, claim())
            assert (shop.row["state"], shop.row["upgrades"]) == ("pending", 0)
    assert not connections["default"].in_atomic_block


@pytest.mark.parametrize(
    ("stay", "deadline"), [*((stay, None) for stay in STAYS), ("atomic", "ten seconds")]
)
def test_a_handler_that_leaves_the_commit_to_us_has_one_effect(
    migrated: Any, stay: str, deadline: str | None
) -> None:
    """The twin: blocks of atomic are fine, and the second delivery is a duplicate."""
    shop = site.shop(STAYS[stay], **({} if deadline else {"deadline": None}))
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim())
        with pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
    assert refused.value.code == "replayed"
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)


def test_a_commit_on_the_drivers_own_connection_is_reported(migrated: Any) -> None:
    """SQLite denies it; on PostgreSQL it is out, and whoever asked for it is told."""
    shop = site.shop(beneath, deadline=None)
    with shop.perimeter as perimeter, pytest.raises((BoundaryError, sqlite3.DatabaseError)):
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] in (0, 1)  # never the 7 of the other transaction


def test_what_a_handler_raises_frees_the_key(migrated: Any) -> None:
    """The effect is rolled back with its key; the next delivery has its effect."""
    fails = [True]

    def act(_: str) -> None:
        if fails.pop() if fails else False:
            raise RuntimeError

    shop = site.shop(act)
    with shop.perimeter as perimeter:
        with pytest.raises(RuntimeError):
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_deferred_constraint_that_fails_at_the_commit_is_the_handlers_own(migrated: Any) -> None:
    """It is IntegrityError, no refusal, and the key is free; a note about something is kept."""
    about = [99, 1]

    def act(db: str) -> None:
        sql(f"INSERT INTO shop_note (about_id) VALUES ({about.pop(0)})")(db)

    shop = site.shop(act)
    with shop.perimeter as perimeter:
        with pytest.raises(IntegrityError):
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 0
        perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


def test_a_hook_that_fails_after_the_commit_undoes_nothing(
    migrated: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """on_commit runs when all is committed: it is logged, and each hook runs."""
    seen: list[str] = []

    def act(db: str) -> None:
        transaction.on_commit(lambda: 1 / 0, using=db)  # type: ignore[arg-type,return-value]
        transaction.on_commit(lambda: seen.append("ran"), using=db)

    shop = site.shop(act)
    with shop.perimeter as perimeter, caplog.at_level(logging.ERROR):
        perimeter.admit(shop.payments, claim())
    assert (shop.row["upgrades"], seen) == (1, ["ran"])
    assert "on_commit" in caplog.text


def test_callables_without_a_session_use_the_orm_as_ever(migrated: Any) -> None:
    """`link` and the handler take one argument; they are in the transaction all the same."""
    from tests.integrations.django.shop.models import Subscription

    Subscription.objects.create(id=1, customer="cus_1")
    perimeter = Perimeter(store=store(), clock=lambda: NOW)
    payments, provider = perimeter.declare(boundary()), shops._provider()
    fails = [True, False]

    @payments.on(
        "invoice.paid",
        confirm=shops.confirmation(provider, is_async=False),
        once=lambda i: i.id,
        link=lambda invoice: Subscription.objects.filter(customer=invoice.customer).first(),
        allow=shops.may_activate,
    )
    def activate(paid: Any) -> None:
        Subscription.objects.filter(id=paid.linked.id).update(state="active", upgrades=1)
        if fails.pop(0):
            raise RuntimeError

    with perimeter:
        with pytest.raises(RuntimeError):
            perimeter.admit(payments, claim())
        assert Subscription.objects.get().upgrades == 0
        perimeter.admit(payments, claim())
    assert Subscription.objects.get().upgrades == 1


def test_eight_deliveries_at_once_have_one_effect(migrated: Any) -> None:
    """One of them is admitted, the others are duplicates or asked to come again."""
    shop = site.shop()
    with shop.perimeter as perimeter, ThreadPoolExecutor(8) as pool:

        def deliver(_: int) -> str:
            try:
                perimeter.admit(shop.payments, claim())
            except Refused as refused:
                return refused.code
            finally:
                connections.close_all()
            return "proven"

        told = list(pool.map(deliver, range(8)))
    assert told.count("proven") == 1
    assert set(told) <= {"proven", "replayed", "busy"}
    assert shop.row["upgrades"] == 1


def test_two_events_about_one_invoice_have_one_effect(migrated: Any) -> None:
    """The business key is used; another invoice of another customer has its own effect."""
    shop = site.shop()
    with shop.perimeter as perimeter:
        perimeter.admit(shop.payments, claim("evt_1"))
        with pytest.raises(Refused):
            perimeter.admit(shop.payments, claim("evt_2"))
        perimeter.admit(shop.payments, claim("evt_3", invoice="in_2"))
    assert [row["upgrades"] for row in shop.rows()] == [1, 1]


@pytest.mark.server
def test_a_lock_that_is_not_given_asks_the_sender_to_retry(pg_url: str) -> None:
    """Another delivery holds the key for longer than lock_timeout: 503, and then it is admitted."""
    settings = site.postgresql(pg_url, OPTIONS={"options": "-c lock_timeout=100"})
    with site.databases(default=settings, other=site.postgresql(pg_url)):
        site.migrate()
        shop = site.shop()
        with shop.perimeter as perimeter:
            with transaction.atomic(using="other"):
                sql("LOCK TABLE pratique_key")("other")
                with pytest.raises(Refused) as refused:
                    perimeter.admit(shop.payments, claim())
            assert (refused.value.status, refused.value.code) == (503, "busy")
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1


@pytest.mark.server
def test_a_deadlock_of_two_deliveries_is_busy(pg_url: str) -> None:
    """Keys taken crosswise: PostgreSQL ends one of them, which is asked to retry; the other lands."""
    from pratique.core.event import Outcome, Record

    record = Record("c", NOW, "payments", "webhook", Outcome.PROVEN)
    settings = site.postgresql(pg_url, OPTIONS={"options": "-c deadlock_timeout=50"})
    with site.databases(default=settings):
        site.migrate()
        made = store()
        made.start()
        barrier = Barrier(2)

        def take(keys: tuple[bytes, bytes]) -> str:
            opened = made.begin()
            try:
                opened.first_use(keys[:1], record)
                barrier.wait(10)
                opened.first_use(keys[1:], record)
                opened.commit()
            except StoreBusy:
                opened.rollback()
                return "busy"
            finally:
                connections.close_all()
            return "committed"

        with ThreadPoolExecutor(2) as pool:
            told = sorted(pool.map(take, [(b"a", b"b"), (b"b", b"a")]))
        assert told == ["busy", "committed"]


def test_a_locked_file_asks_the_sender_to_retry(tmp_path: Any) -> None:
    """Another writer has the file: 503 busy; when it lets go, the same delivery has its effect."""
    with site.databases(default=site.sqlite(tmp_path / "shop.db", OPTIONS={"timeout": 0.1})):
        site.migrate()
        shop = site.shop()
        with shop.perimeter as perimeter:
            other = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Refused) as refused:
                perimeter.admit(shop.payments, claim())
            other.execute("ROLLBACK")
            other.close()
            assert (refused.value.status, refused.value.code) == (503, "busy")
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1


@pytest.mark.server
@pytest.mark.parametrize("link_lock", [True, False])
def test_a_linked_row_is_locked_until_the_commit(pg_url: str, link_lock: bool) -> None:
    """Nobody else changes the row between `allow` and commit, also where `link` forgot the lock."""
    import psycopg

    plain = pg_url.replace("+psycopg", "")
    tried: list[str] = []

    def cancel(_: str) -> None:
        with psycopg.connect(plain, options="-c lock_timeout=100") as other:
            try:
                other.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
            except psycopg.errors.LockNotAvailable:
                tried.append("locked")
                other.rollback()

    with site.databases(default=site.postgresql(pg_url)):
        site.migrate()
        shop = site.shop(cancel, link_lock=link_lock)
        with shop.perimeter as perimeter:
            perimeter.admit(shop.payments, claim())
        assert (tried, shop.row["state"]) == (["locked"], "active")


@pytest.mark.server
def test_a_row_cancelled_after_link_read_it_is_judged_as_it_is_now(
    pg_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `link` without a lock read "pending"; cancelled before ours, `allow` sees "cancelled"."""
    from pratique.integrations.django.transaction import DjangoTransaction

    with site.databases(default=site.postgresql(pg_url)):
        site.migrate()
        shop = site.shop(link_lock=False)
        lock = DjangoTransaction.lock

        def late(self: Any, linked: Any) -> None:
            shop_of_another = ThreadPoolExecutor(1)

            def cancel() -> None:
                shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
                connections.close_all()

            shop_of_another.submit(cancel).result(10)
            lock(self, linked)

        monkeypatch.setattr(DjangoTransaction, "lock", late)
        with shop.perimeter as perimeter, pytest.raises(Refused) as refused:
            perimeter.admit(shop.payments, claim())
        assert refused.value.code == "not_allowed"


def test_another_database_is_no_part_of_the_transaction(migrated: Any, tmp_path: Any) -> None:
    """A write to it from a handler is refused, a read isn't; nor is a row that `link` read there."""
    from tests.integrations.django.shop.models import Subscription

    wants = ["write", "read"]

    def act(_: str) -> None:
        rows = Subscription.objects.using("elsewhere")
        if wants.pop(0) == "write":
            rows.update(upgrades=9)
        else:
            assert rows.count() == 2

    with site.databases(default=migrated, elsewhere=site.sqlite(tmp_path / "elsewhere.db")):
        site.migrate("elsewhere")
        site.shop(using="elsewhere")
        shop = site.shop(act)
        with shop.perimeter as perimeter:
            with pytest.raises(BoundaryError, match="elsewhere"):
                perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 0
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1
        assert Subscription.objects.using("elsewhere").filter(upgrades=9).count() == 0
        opened = shop.perimeter.store.begin()  # type: ignore[union-attr]
        with pytest.raises(StoreError, match="link read its"):
            opened.lock(Subscription.objects.using("elsewhere").get(id=1))
        opened.lock(Subscription.objects.get(id=1))
        opened.rollback()


def test_a_mismatch_is_kept_as_a_dead_letter(migrated: Any) -> None:
    """Django reads it by its model; what was admitted lies beside its key."""
    from pratique.integrations.django.models import Key, Refusal

    shop = site.shop()
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", amount=1)
    with shop.perimeter as perimeter:
        with pytest.raises(Refused):
            perimeter.admit(shop.payments, claim())
        perimeter.admit(shop.payments, claim("evt_2", invoice="in_2"))
    found = Refusal.objects.get()
    assert (found.boundary, found.code, found.times) == ("payments", "not_allowed", 1)
    assert Key.objects.exclude(record=None).count() == 1


@pytest.mark.server
@pytest.mark.parametrize("deadline", [None, "ten seconds"])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_connection_that_breaks_in_the_handler_undoes_the_effect(
    pg_url: str, goes_on: bool, deadline: str | None
) -> None:
    """The server ends it: no effect and no key, and the next delivery has its effect."""
    breaks = [True]

    def act(db: str) -> None:
        if not breaks:
            return
        breaks.clear()
        with connections["other"].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        if goes_on:
            sql("SELECT 1")(db)

    with site.databases(default=site.postgresql(pg_url), other=site.postgresql(pg_url)):
        site.migrate()
        shop = site.shop(act, **({} if deadline else {"deadline": None}))
        connections["default"].close()
        with shop.perimeter as perimeter:
            with pytest.raises((DatabaseError, Refused)):
                perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 0
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1


def test_to_read_takes_no_write_lock(tmp_path: Path) -> None:
    """Also where OPTIONS has each transaction begin with it; a crossing takes it, and finds it taken."""
    options = {"timeout": 0.1, "transaction_mode": "IMMEDIATE"}
    with site.databases(default=site.sqlite(tmp_path / "shop.db", OPTIONS=options)):
        site.migrate()
        made = store()
        made.start()
        with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            made.look().rollback()
            with pytest.raises(StoreBusy):
                made.begin()
            other.execute("ROLLBACK")
        made.begin().rollback()


def test_what_is_changed_while_reading_is_undone(migrated: Any) -> None:
    """`load` and `key` read: a write of theirs stays in no table, inside a view's transaction too."""
    shop = site.shop()
    shop.perimeter.start()
    reading = shop.perimeter.store.look()  # type: ignore[union-attr]
    sql("UPDATE subscription SET upgrades = 7")(reading.session)
    reading.rollback()
    assert shop.row["upgrades"] == 0
    with transaction.atomic():
        sql("UPDATE subscription SET upgrades = 1")("default")
        reading = shop.perimeter.store.look()  # type: ignore[union-attr]
        assert shop.row["upgrades"] == 1
        reading.rollback()
    assert shop.row["upgrades"] == 1
    shop.perimeter.close()
