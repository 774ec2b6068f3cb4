"""A fork while another thread holds each lock: the child waits for nobody."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event, Lock, Thread
from typing import Any

import pytest

from pratique import Perimeter, Refused, stores
from pratique.core import forks
from pratique.core.decision import Decision
from pratique.core.event import new_crossing_id
from pratique.core.measures import Measures
from pratique.core.obligation import VALID
from pratique.core.refusal import Answer
from pratique.core.reminder import Reminder
from pratique.core.threads import Pool, Tally
from pratique.fetch import Fetch, FetchPolicy
from pratique.fetch.lookup import Lookup
from pratique.fetch.naked import Watch
from pratique.fetch.wire.pool import Pool as Connections
from pratique.integrations.wsgi_edge import Guarded
from pratique.partner import Partner
from pratique.partner.breaker import Breaker
from pratique.policy import DecisionCache

WAY = FetchPolicy(hosts={"example.com"}, content_types={"application/json"})
LABEL = ("payments", "webhook", "proven", "", "")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
Held = tuple[Any, Callable[[], bool]]
"""Who holds the locks, and what the child asks of it."""

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")


def child_answers(answer: Callable[[], bool]) -> bool:
    """Fork; say whether the child's answer was True. A child that waits for ever is ended."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        code = 1
        try:
            code = 0 if answer() else 1
        finally:
            os._exit(code)  # no assertion leaves a child: its code says how it went
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@contextmanager
def held_elsewhere(holder: object) -> Iterator[None]:
    """Let another thread hold each lock of a holder."""
    found = [getattr(holder, name) for name in forks._made[holder]]
    locks = [each for each in found if hasattr(each, "acquire")]
    assert locks
    holding, let_go = Event(), Event()

    def hold() -> None:
        with ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            holding.set()
            let_go.wait(60)

    thread = Thread(target=hold)
    thread.start()
    holding.wait(60)
    try:
        yield
    finally:
        let_go.set()
        thread.join()


def tally() -> Held:
    """Counters; the child counts its own."""
    counted = Tally()
    counted.add(LABEL)

    def answer() -> bool:
        counted.add(LABEL)
        return counted.counts == {LABEL: 1}

    return counted, answer


def measures() -> Held:
    """Figures; the child measures its own."""
    measured = Measures(new_lock=Lock)
    measured.store_failed("sqlite", "begin")

    def answer() -> bool:
        measured.store_failed("sqlite", "begin")
        return measured.store_errors == {("sqlite", "begin"): 1}

    return measured, answer


def pool() -> Held:
    """A pool whose threads are the parent's."""
    threads = Pool(1)
    threads.submit(int).result()
    return threads, lambda: threads.submit(int, "7").result() == 7


def perimeter() -> Held:
    """A perimeter that another thread starts."""
    shop = Perimeter()
    shop.declare(Fetch("previews", WAY))

    def answer() -> bool:
        shop.start()
        return shop.is_started

    return shop, answer


def reminder() -> Held:
    """What ends by itself."""
    reminds = Reminder([], lambda _: None, new_lock=Lock)
    reminds._next = NOON

    def answer() -> bool:
        reminds.ring(NOON)
        return reminds._next is None

    return reminds, answer


def decisions() -> Held:
    """Remembered decisions: the child has what was remembered."""
    cache = DecisionCache(max_age=timedelta(hours=1))
    cache.keep("point", b"question", Decision(True), asked_at=cache.clock())
    return cache, lambda: cache.find("point", b"question") is not None


def watch() -> Held:
    """Counts of naked connections."""
    naked = Watch({})
    return naked, lambda: list(naked.samples()) == []


def connections() -> Held:
    """The connections of a policy."""
    kept = Connections(WAY, Lookup())

    def answer() -> bool:
        kept.close()
        return True

    return kept, answer


def fetch() -> Held:
    """A fetch boundary."""
    shop = Perimeter()
    previews = shop.declare(Fetch("previews", WAY))
    shop.start()
    return previews, lambda: previews._fetcher() is not None


def partner() -> Held:
    """A partner boundary."""
    shop = Perimeter()
    errand = shop.declare(Partner("risk", "https://example.com", policy=WAY))._errand
    shop.start()
    return errand, lambda: errand._fetcher() is not None


def circuit() -> Held:
    """A breaker, open, whose one trial is another thread's."""
    breaker = Breaker(1, timedelta(microseconds=1)).of("risk")
    with pytest.raises(Refused):
        breaker.run(fail)
    return breaker, lambda: breaker.run(lambda: 7) == 7


def fail() -> int:
    """Fail as a partner that is down."""
    raise Refused(VALID, "no connection", code="unreachable", answer=Answer.RETRY)


def memory() -> Held:
    """A store in memory."""
    store = stores.memory()
    return store, lambda: store.sync.first_use((os.urandom(8),), "c") is None


def wsgi() -> Held:
    """A WSGI application whose first request is being answered."""
    shop = Perimeter()
    shop.declare(Fetch("previews", WAY))
    app = Guarded(lambda _environ, _start: [b"7"], shop)
    return app, lambda: list(app({}, lambda *_: lambda _: None)) == [b"7"]


CASES = [
    tally, measures, pool, perimeter, reminder, decisions, watch, connections,
    fetch, partner, circuit, memory, wsgi,
]  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_child_answers_while_its_parent_held_the_lock(
    case: Callable[[], Held],
) -> None:
    """And so does the next child, once that thread has let go."""
    holder, answer = case()
    with held_elsewhere(holder):
        assert child_answers(answer)
    assert child_answers(answer)


def test_a_child_has_none_of_its_parents_lookups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name whose DNS hangs keeps its place in the parent alone (CWE-400)."""
    hangs, asked = Event(), Event()

    def addresses(*_: object, **__: object) -> list[tuple[object, ...]]:
        asked.set()
        if not hangs.is_set():
            hangs.wait(60)
        return [(0, 0, 0, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    lookup = Lookup(most=1)
    waiting = Thread(target=lookup.resolve, args=("a.test", 443), kwargs={"seconds": 60})
    waiting.start()
    asked.wait(60)
    with pytest.raises(Refused) as refused:
        lookup.resolve("b.test", 443, seconds=60)
    assert refused.value.code == "lookup_quota"

    def answer() -> bool:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("::1", 443))])
        return lookup.resolve("b.test", 443, seconds=60) == ["::1"] and lookup._all == 0

    with held_elsewhere(lookup):
        assert child_answers(answer)
    hangs.set()
    waiting.join()
    assert lookup.resolve("b.test", 443, seconds=60) == ["127.0.0.1"]


def test_a_parent_keeps_what_a_child_makes_anew() -> None:
    """The twin: only a child begins anew, and gives no id of its parent's."""
    counted, threads, before = Tally(), Pool(1), forks.generation()
    counted.add(LABEL)
    lock, prefix = counted._lock, new_crossing_id().partition("-")[0]
    assert threads.submit(int).result() == 0
    assert child_answers(
        lambda: forks.generation() != before and not new_crossing_id().startswith(prefix)
    )
    assert (counted._lock, counted.counts, forks.generation()) == (lock, {LABEL: 1}, before)
    assert new_crossing_id().startswith(prefix)


def test_a_thread_that_forks_lets_go_of_what_it_holds() -> None:
    """In the child its `with` ends on the lock that it began with; the next finds a free one."""
    counted = Tally()

    def answer() -> bool:
        counted.add(LABEL)
        return counted.counts == {LABEL: 1}

    with counted._lock:
        assert child_answers(answer)


def test_an_attribute_that_is_not_there_is_a_mistake() -> None:
    """A name that was changed in one place alone is told when the holder is made."""
    with pytest.raises(AttributeError, match="_look"):
        forks.renew_after_fork(Tally(), _look=Lock)


UNTOLD = """
import ctypes, os
from datetime import UTC, datetime
from threading import Barrier, Thread, local
from pratique import Claim, Fields, Perimeter, stores
from pratique.core import forks
from pratique.core.claim import Via
from pratique.core.refusal import BoundaryError
from pratique.forwarded import Forwarded, ProxyPolicy

def started():
    perimeter = Perimeter(store=stores.memory(), deadline=None)
    edge = perimeter.declare(Forwarded("edge", ProxyPolicy(hosts=("a.example",))))
    perimeter.start()
    return perimeter, edge

def refused(call, *args):
    try:
        call(*args)
    except BoundaryError as error:
        return "lazy-apps" in str(error)
    return False

def untold():
    return ctypes.PyDLL(None).fork()

def half_told():  # as uWSGI does with py-call-osafterfork
    child = untold()
    if child == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    return child

claim = Claim(
    b"", Fields([("Host", "a.example")]), datetime(2026, 1, 1, tzinfo=UTC), Via(peer="192.0.2.1")
)
closed = []
type(stores.memory().sync).close = lambda store: closed.append(store)
mine, edge = started()
page, before = forks._page, forks.generation()
for forks._page in (page, None):
    for fork in (os.fork, untold, half_told):
        child = fork()
        if child == 0:
            if fork is os.fork:
                holds = mine.is_started and bool(mine.admit(edge, claim))
            else:
                holds = refused(mine.admit, edge, claim) and refused(mine.start)
                mine.close()
                holds = holds and not mine.is_started and not closed
            other, theirs = started()
            holds = holds and bool(other.admit(theirs, claim)) and forks.generation() != before
            os._exit(0 if holds else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, (fork, forks._page)
assert mine.admit(edge, claim) and forks.generation() == before
mine.close()
assert closed

meet, has_met = Barrier(2), local()

class Page(list):  # both threads have read it before either goes on
    def __getitem__(self, at):
        found = super().__getitem__(at)
        if not hasattr(has_met, "it"):
            has_met.it = meet.wait(60) >= 0
        return found

count, forks._page = forks._untold[0], Page([0])
both = [Thread(target=forks.untold_forks) for _ in range(2)]
for each in both:
    each.start()
for each in both:
    each.join()
assert forks._untold[0] == count + 1
"""


def test_nothing_crosses_in_a_child_of_whose_fork_python_was_not_told() -> None:
    """Its parent's store is open there: refused with the mend, and never closed; what starts there crosses.

    The twin is `os.fork`, which closes and makes anew. A system without a page that a fork wipes
    asks for the process's number. In a process of one thread: no other holds a lock of Python's.
    Two threads that ask first at once are one fork.
    """
    done = subprocess.run(
        [sys.executable, "-c", UNTOLD], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
