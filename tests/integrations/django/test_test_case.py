"""In Django's own test cases a crossing is a savepoint, where the test says so."""

import logging
import unittest
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction
from django.test import TestCase

from pratique import Refused
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import savepoints_in_test_case, store
from tests import django_site as site
from tests.shop import claim

pytestmark = pytest.mark.usefixtures("own_apps")


DEADLINES = [None, "ten seconds"]


def run_in_test_case(test: Callable[[TestCase], None]) -> None:
    """Run a function as a test of a TestCase would run, in the transaction that it rolls back."""

    class Case(TestCase):
        def runTest(self) -> None:  # noqa: N802  unittest names it so
            test(self)

    result = unittest.TestResult()
    unittest.TestSuite([Case()]).run(result)
    assert not result.errors + result.failures, result.errors + result.failures
    assert result.testsRun == 1


@pytest.mark.parametrize("deadline", DEADLINES)
def test_a_test_case_that_says_so_crosses_and_leaves_nothing(
    migrated: Any, deadline: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """On this thread and on one of ours: the test sees its effect, a duplicate is one, all is undone."""
    more = {} if deadline else {"deadline": None}

    def test(case: TestCase) -> None:
        case.enterContext(savepoints_in_test_case())
        shop = site.shop(**more)
        with shop.perimeter as perimeter:
            perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 1
            with pytest.raises(Refused) as refused:
                perimeter.admit(shop.payments, claim())
            assert refused.value.code == "replayed"
            assert perimeter.store.find("nothing") is None  # type: ignore[union-attr]

    for _ in range(2):
        with caplog.at_level(logging.WARNING, "pratique"):
            run_in_test_case(test)
    assert "nothing is committed" in caplog.text
    with connections["default"].cursor() as cursor:
        for table in ("pratique_key", "subscription"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("deadline", DEADLINES)
def test_what_a_handler_raises_undoes_its_savepoint(migrated: Any, deadline: str | None) -> None:
    """The test's own rows stay, the effect and its key go; the next delivery has its effect."""
    more = {} if deadline else {"deadline": None}

    def test(case: TestCase) -> None:
        case.enterContext(savepoints_in_test_case())
        fails = [RuntimeError]

        def act(_: str) -> None:
            if fails:
                raise fails.pop()

        shop = site.shop(act, **more)
        with shop.perimeter as perimeter:
            with pytest.raises(RuntimeError):
                perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 0
            perimeter.admit(shop.payments, claim())
            assert shop.row["upgrades"] == 1

    run_in_test_case(test)


@pytest.mark.parametrize("deadline", DEADLINES)
def test_a_test_case_that_does_not_say_so_is_refused(migrated: Any, deadline: str | None) -> None:
    """Never silently: neither the start nor a crossing. And a block of its own stays one."""
    made = site.shop(**({} if deadline else {"deadline": None}))
    made.perimeter.start()

    def test(case: TestCase) -> None:
        with pytest.raises(BoundaryError, match="savepoints_in_test_case"):
            store().start()
        with pytest.raises(Refused, match="savepoints_in_test_case"):
            made.perimeter.admit(made.payments, claim())
        case.enterContext(savepoints_in_test_case())
        with transaction.atomic(), pytest.raises(Refused, match="a transaction is open"):
            made.perimeter.admit(made.payments, claim())
        made.perimeter.admit(made.payments, claim())

    run_in_test_case(test)
    made.perimeter.admit(made.payments, claim())
    made.perimeter.close()
    assert made.row["upgrades"] == 1


def test_outside_a_test_case_there_is_nothing_to_say(migrated: Any) -> None:
    """A crossing has a transaction of its own there; a block of somebody else's is no TestCase."""
    with pytest.raises(BoundaryError, match="no TestCase"), savepoints_in_test_case():
        pass
    with transaction.atomic(), pytest.raises(BoundaryError, match="no TestCase"):
        savepoints_in_test_case().__enter__()


def test_a_flush_empties_the_tables(migrated: Any) -> None:
    """As TransactionTestCase does after each test: what one test handled is new to the next."""
    made = store()
    made.start()
    assert made.first_use((b"k",), "c") is None
    assert made.first_use((b"k",), "d") == b"k"
    call_command("flush", verbosity=0, interactive=False)
    assert made.first_use((b"k",), "e") is None


@pytest.mark.parametrize("deadline", DEADLINES)
def test_the_database_in_memory_that_django_makes_for_tests_serves(deadline: str | None) -> None:
    """Each thread that crosses borrows the test's connection: it waits for no lock of the test."""
    memory = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "file:memorydb_default?mode=memory&cache=shared",
    }
    more = {} if deadline else {"deadline": None}

    def test(case: TestCase) -> None:
        case.enterContext(savepoints_in_test_case())
        shop = site.shop(**more)
        with shop.perimeter as perimeter:
            perimeter.admit(shop.payments, claim())
        assert shop.row["upgrades"] == 1

    with site.databases(default=memory):
        site.migrate()
        run_in_test_case(test)
        driver = connections["default"].connection
    driver.close()  # Django keeps it open: with the last connection the database goes
