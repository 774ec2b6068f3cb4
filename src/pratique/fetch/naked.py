"""Naked egress: connections that no fetch policy judged, counted by the module that made them.

    naked.watch(elsewhere={"asyncpg": "the database"})

What is written in C and brings its own sockets (libpq, libcurl) raises no audit event, so that it
isn't seen.
"""

import inspect
import logging
import socket
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final

from pratique.core.refusal import PratiqueError

from .budget import current

_log: Final = logging.getLogger("pratique")
_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
gated: Final[ContextVar[bool]] = ContextVar("pratique_gated", default=False)
"""Set while an adapter connects whose library runs the connecting itself."""


class NakedEgress(PratiqueError):
    """A connection was made that no fetch policy judged, where that is forbidden."""


class Watch:
    """Counts naked connections.

    Args:
        elsewhere: Modules whose connections are known, by their first name, each with the reason.
    """

    def __init__(self, elsewhere: Mapping[str, str]) -> None:
        self.elsewhere = dict(elsewhere)
        self.counts: dict[str, int] = {}
        self.is_forbidden = False
        self._lock = Lock()

    def note(self, module: str) -> None:
        """Count one, and say so the first time; refuse it where it is forbidden.

        Raises:
            NakedEgress: inside `forbidden`.
        """
        if module.partition(".")[0] in self.elsewhere:
            return
        with self._lock:
            times = self.counts[module] = self.counts.get(module, 0) + 1
        if self.is_forbidden:
            raise NakedEgress(
                f"{module} connects outside any fetch policy. Send it through a Fetcher or one of "
                "the adapters, or name the module in naked.watch(elsewhere=…)."
            )
        if times == 1:
            _log.warning("naked egress: %s connects outside any fetch policy", module)

    @contextmanager
    def forbidden(self) -> Generator[None]:
        """Let a naked connection raise `NakedEgress` before it is made: for tests."""
        self.is_forbidden = True
        try:
            yield
        finally:
            self.is_forbidden = False


_watch: Watch | None = None


def watch(*, elsewhere: Mapping[str, str] | None = None) -> Watch:
    """Begin to count, for the rest of the process: an audit hook can't be taken back.

    Args:
        elsewhere: {"asyncpg": "the database"}: what connects by itself, and why.

    Returns:
        The same one each time; what is named `elsewhere` adds up.
    """
    global _watch  # noqa: PLW0603  the hook is the process's, and so is its count
    if _watch is None:
        _watch = Watch(elsewhere or {})
        sys.addaudithook(_hook)
    else:
        _watch.elsewhere.update(elsewhere or {})
    return _watch


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event != "socket.connect" or _watch is None:
        return
    if args[0].family not in _FAMILIES or gated.get() or current.get() is not None:
        return
    try:
        _watch.note(_caller())
    except NakedEgress:
        args[0].close()  # whoever made it waits for an OSError to do that
        raise


def _caller() -> str:
    """Return the module that connects: the nearest one that isn't the standard library's."""
    nearest, frame = "?", inspect.currentframe()
    while frame is not None:
        name = str(frame.f_globals.get("__name__", "?"))
        if name != __name__ and name.partition(".")[0] not in sys.stdlib_module_names:
            return name
        nearest, frame = name, frame.f_back
    return nearest
