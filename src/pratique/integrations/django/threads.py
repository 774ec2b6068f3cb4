"""Connections on the threads of a perimeter's pool, and in a forked child.

Django tidies its connections at both ends of a request, on the request's own thread. Proofs with a
deadline run on other threads, which have connections of their own.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from threading import local
from typing import Any, Final

from django.conf import settings
from django.db import Error, close_old_connections, connections

from pratique.core.threads import surround_each_call

from .test_case import lent

_of_a_parent: Final[list[Any]] = []
_ours: Final[set[str]] = set()
_asking: Final = local()


class OnOurThread:
    """One call on a thread of the pool, with tidy connections before and after it.

    It is made on the thread that asks, and remembers which databases have a transaction open there.
    """

    def __init__(self) -> None:
        self._open = open_here() - lent.keys() if settings.configured else frozenset[str]()
        self._borrowed: tuple[str, ...] = ()

    def __enter__(self) -> None:
        """Close what is broken or too old; borrow what a test lends."""
        if not settings.configured:
            return
        _asking.open = self._open
        _close_old()
        for alias, connection in tuple(lent.items()):
            if connections[alias] is not connection:
                with suppress(Error):
                    connections[alias].close()
                connections[alias] = connection
                self._borrowed = (*self._borrowed, alias)

    def __exit__(self, *_: object) -> None:
        """Give back; close what the settings don't let live longer."""
        for alias in self._borrowed:
            del connections[alias]
        if settings.configured:
            _asking.open = frozenset()
            _close_old()


def open_here() -> frozenset[str]:
    """Return the databases that have a transaction open on this thread."""
    found = connections.all(initialized_only=True)
    return frozenset(connection.alias for connection in found if connection.in_atomic_block)


def open_where_it_was_asked() -> frozenset[str]:
    """Return the databases that had one open on the thread that this call came from."""
    return getattr(_asking, "open", frozenset())


def watch_threads(alias: str) -> None:
    """Surround each call of a pool, and let no forked child have a database's connection."""
    _ours.add(alias)
    surround_each_call(OnOurThread)


def _close_old() -> None:
    with suppress(Error, OSError):
        close_old_connections()


def _leave_the_parents_connections() -> None:
    """Let a forked child connect anew: two processes on one socket read each other's answers."""
    if not settings.configured:
        return
    found: Sequence[Any] = connections.all(initialized_only=True)
    for connection in found:
        # A database in memory went over with the fork, and is nobody else's: Django's parallel
        # tests count on it.
        if connection.vendor == "sqlite" and connection.is_in_memory_db():
            continue
        if connection.alias in _ours and connection.connection is not None:
            _of_a_parent.append(connection.connection)  # closed, it would end what the parent uses
            connection.connection = None


os.register_at_fork(after_in_child=_leave_the_parents_connections)
