"""Crossings inside the transaction that a `TestCase` of Django's rolls back."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connections

from pratique.core.refusal import BoundaryError

_log: Final = logging.getLogger("pratique")
lent: Final[dict[str, Any]] = {}
"""The connections of the test that runs, by alias: each thread of ours borrows them."""


@contextmanager
def savepoints_in_test_case(using: str = "default") -> Generator[None]:
    """Let crossings be savepoints of the test's own transaction, which commits nothing.

    For tests alone: it asks for the block that Django's `TestCase` opens; pytest-django's `db` is
    one. Nothing is durable inside, and one delivery at a time can cross. What should run side by
    side, or be seen by another process, belongs in a `TransactionTestCase`.

        class Deliveries(TestCase):
            def setUp(self) -> None:
                self.enterContext(savepoints_in_test_case())

    Args:
        using: The alias of the store's database.

    Raises:
        BoundaryError: no transaction of a `TestCase` is open there.
    """
    connection: Any = connections[using]
    if not is_of_a_test_case(connection):
        raise BoundaryError(
            f"savepoints_in_test_case({using!r}): no TestCase has a transaction open there. Leave "
            "it out: a crossing has a transaction of its own."
        )
    _log.warning("crossings on %s are savepoints of a test: nothing is committed", using)
    connection.inc_thread_sharing()
    lent[using] = connection
    try:
        yield
    finally:
        del lent[using]
        connection.dec_thread_sharing()


def is_of_a_test_case(connection: Any) -> bool:
    """Say whether what is open on a connection was opened by a `TestCase`, and nothing else is."""
    blocks = connection.atomic_blocks
    return bool(blocks) and all(block._from_testcase for block in blocks)  # noqa: SLF001  its own mark
