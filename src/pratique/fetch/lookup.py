"""One lookup of a name a hop, on threads that may hang without anybody else waiting for them."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Final

from pratique.core.forks import renew_after_fork
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Answer, Refused

MOST: Final = 128
"""Lookups at once, whoever asks."""
MOST_OF_ONE: Final = 8
"""Lookups at once of one principal: names whose DNS hangs are that principal's own (CWE-400)."""


class Lookup:
    """Asks the system's resolver; never more at once than its quota.

    A thread for each lookup, not a pool: one that hangs in the resolver can't be taken back, and
    a pool's threads would also keep the process from ending.
    """

    def __init__(self, *, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._running: dict[str, int] = {}
        self._all = 0
        self._lock = Lock()
        renew_after_fork(self, _running=dict, _all=int, _lock=Lock)

    def resolve(self, host: str, port: int, *, seconds: float, principal: str = "") -> list[str]:
        """Return every address of a name, as the resolver orders them.

        Raises:
            Refused: ALLOWED, code "unknown_host", "lookup_timeout" or "lookup_quota".
        """
        done = Lock()
        done.acquire()
        found = self._begin(host, port, principal, done.release)
        if not done.acquire(timeout=max(0.0, seconds)):
            raise _too_slow()
        return found.answer()

    async def aresolve(
        self, host: str, port: int, *, seconds: float, principal: str = ""
    ) -> list[str]:
        """Return the same without blocking the event loop."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def finish() -> None:
            if not future.done():
                future.set_result(None)

        def tell() -> None:
            with suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                loop.call_soon_threadsafe(finish)

        found = self._begin(host, port, principal, tell)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await future
        except TimeoutError:
            raise _too_slow() from None
        return found.answer()

    def _begin(self, host: str, port: int, principal: str, tell: Callable[[], object]) -> "_Found":
        with self._lock:
            mine = self._running.get(principal, 0)
            if self._all >= self._most or (principal and mine >= self._most_of_one):
                raise _too_many(mine if principal else self._all)
            self._running[principal] = mine + 1
            self._all += 1
        found = _Found()

        def work() -> None:
            try:
                found.addresses = _addresses(host, port)
            except Exception as error:  # noqa: BLE001  whatever it is, there is no address
                found.error = type(error).__name__
            finally:
                self._end(principal)
                tell()

        try:
            Thread(target=work, name="pratique-lookup", daemon=True).start()
        except RuntimeError:  # the system has no thread left
            self._end(principal)
            raise _too_many(self._all) from None
        return found

    def _end(self, principal: str) -> None:
        with self._lock:
            self._all -= 1
            left = self._running[principal] - 1
            if left:
                self._running[principal] = left
            else:
                del self._running[principal]


class _Found:
    __slots__ = ("addresses", "error")

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.error = ""

    def answer(self) -> list[str]:
        if not self.addresses:
            raise Refused(
                ALLOWED,
                f"the name has no address ({self.error or 'an empty answer'})",
                code="unknown_host",
                hint="look the name up on this machine; whoever runs its zone can mend it",
            )
        return self.addresses


def _addresses(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # (address, port, flow, scope): a scope would name an interface, so it stays in the text and is
    # refused where the address is judged.
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _too_many(running: int) -> Refused:
    return Refused(
        ALLOWED,
        f"{running} lookups are running already",
        code="lookup_quota",
        hint="names whose DNS doesn't answer keep their places until it gives up",
        answer=Answer.RETRY,
    )


def _too_slow() -> Refused:
    return Refused(
        ALLOWED,
        "the name wasn't resolved within the deadline",
        code="lookup_timeout",
        hint="the name's own DNS is slow, or this machine's resolver is",
        answer=Answer.RETRY,
    )
