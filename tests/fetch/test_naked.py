"""Connections that no policy judged are counted by module and told, or forbidden."""

import asyncio
import http.client
import logging
import socket
from collections.abc import Callable, Iterator

import httpx
import pytest

from pratique import Perimeter
from pratique.core.event import Outcome, Record
from pratique.core.watcher import Sample
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, naked
from tests.fetch.clients import CLIENTS
from tests.fetch.world import World
from tests.sink import Kept

POLICY = FetchPolicy(hosts=PUBLIC, schemes={"http"})


class Told(Kept):
    """Keeps every record, and does what a test asks when one comes."""

    def __init__(self, also: Callable[[], object] = list) -> None:
        super().__init__()
        self.also = also

    def emit(self, record: Record) -> None:
        super().emit(record)
        self.also()

    def told(self) -> list[tuple[str, str]]:
        """Return module and count of each record of a naked connection."""
        return [
            (record.declaration, record.detail.rpartition(": ")[2].removesuffix(" so far"))
            for record in self.records
            if record.boundary == naked.NAME
        ]


def guarded(sink: Told) -> Perimeter:
    """Return a perimeter with one boundary, whose records a test reads."""
    perimeter = Perimeter(events=sink)
    perimeter.declare(Fetch("previews", POLICY))
    return perimeter


@pytest.fixture
def port() -> Iterator[int]:
    """Give a port on loopback that takes a connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        yield server.getsockname()[1]


@pytest.fixture
def watch() -> Iterator[naked.Watch]:
    """Give the process's own watch, its counts from zero."""
    found = naked.watch(elsewhere={"asyncpg": "the database"})
    found.counts.clear()
    yield found
    found.counts.clear()


def test_counts_a_connection_outside_any_fetch(world: World, watch: naked.Watch) -> None:
    """By the module that made it, each time; whoever is named elsewhere isn't counted."""
    address = ("127.0.0.1", world.server.port)
    for _ in range(2):
        socket.create_connection(address).close()
    assert watch.counts == {"tests.fetch.world": 2}  # the small internet dials for the test
    watch.elsewhere["tests"] = "this test"
    socket.create_connection(address).close()
    del watch.elsewhere["tests"]
    assert watch.counts == {"tests.fetch.world": 2}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_policy_judged_is_not_naked(world: World, watch: naked.Watch, client: str) -> None:
    """Our fetchers and each adapter, also where naked connections are forbidden."""
    world.names["a.test"] = ["93.184.215.14"]
    with watch.forbidden():
        assert CLIENTS[client](POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    assert watch.counts == {}


def test_forbidden_it_is_not_made(world: World, watch: naked.Watch) -> None:
    """A test that connects past the policy fails; afterwards it is counted again."""
    url = f"http://127.0.0.1:{world.server.port}/"
    with watch.forbidden(), pytest.raises(naked.NakedEgress, match="outside any fetch policy"):
        httpx.get(url, trust_env=False)
    assert world.server.seen == []
    assert httpx.get(url, trust_env=False).status_code == 200
    assert sum(watch.counts.values()) == 2


def test_a_unix_socket_is_no_egress(watch: naked.Watch) -> None:
    """It stays on this machine."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert watch.counts == {}


def connect(port: int) -> None:
    """Connect outside any fetch policy."""
    socket.create_connection(("127.0.0.1", port)).close()


def test_what_was_counted_before_is_told_at_the_start(
    port: int, watch: naked.Watch, caplog: pytest.LogCaptureFixture
) -> None:
    """A line in the log and a record a module, without the address; the twin saw nothing."""
    sink = Told()
    perimeter = guarded(sink)
    perimeter.attach(watch)
    with caplog.at_level(logging.WARNING, "pratique"):
        with perimeter:
            assert sink.records == []
        assert caplog.messages == []
        for _ in range(3):
            connect(port)
        with perimeter:
            assert sink.told() == [(__name__, "3")]
    assert f"naked egress before the start: {__name__} 3" in caplog.messages
    (record,) = sink.records
    assert (record.kind, record.outcome, record.code) == (
        "fetch",
        Outcome.WOULD_REFUSE,
        "unguarded_connection",
    )
    assert "127.0.0.1" not in str(record)
    assert str(port) not in str(record)


async def test_it_is_told_on_the_event_loop_too(port: int, watch: naked.Watch) -> None:
    """The same by `astart`; the connection is asyncio's, and is named by who asked for it."""
    sink = Told()
    connect(port)
    async with guarded(sink) as perimeter:
        perimeter.attach(watch)
        assert sink.told() == [(__name__, "1")]
        for _ in range(9):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
        assert sink.told() == [(__name__, "1"), (__name__, "10")]


def test_later_ones_are_told_seldom(watch: naked.Watch) -> None:
    """The first of each module always, then the tenth, the hundredth; no crossing is counted."""
    sink = Told()
    with guarded(sink) as perimeter:
        perimeter.attach(watch)
        for _ in range(250):
            watch.note("stripe")
        watch.note("twilio")
        assert sink.told() == [
            ("stripe", "1"),
            ("stripe", "10"),
            ("stripe", "100"),
            ("twilio", "1"),
        ]
        assert perimeter.tally.counts == {}
        assert [sample for w in perimeter.watchers for sample in w.samples()] == [
            Sample("pratique_unguarded_connections_total", {"module": "stripe"}, 250),
            Sample("pratique_unguarded_connections_total", {"module": "twilio"}, 1),
        ]
        assert perimeter.find(sink.records[0].crossing_id) == sink.records[0]
    watch.note("after the end")
    assert len(sink.records) == 4


def test_a_sink_that_connects_is_told_and_not_called_again(port: int, watch: naked.Watch) -> None:
    """It is inside its own `emit`: what it does is counted, and told with the next, or at the end."""
    sink = Told(lambda: connect(port))
    with guarded(sink) as perimeter:
        perimeter.attach(watch)
        watch.note("stripe")
        assert sink.told() == [("stripe", "1")]
    assert sink.told() == [("stripe", "1"), (__name__, "1")]
    assert watch.counts == {"stripe": 1, __name__: 2}


def test_the_modules_are_bounded(watch: naked.Watch) -> None:
    """Whoever makes names up fills nothing. The twin is named elsewhere."""
    for number in range(naked.MAX_MODULES + 10):
        watch.note(f"made_up_{number}")
    assert len(watch.counts) == naked.MAX_MODULES + 1
    assert watch.counts[naked.OTHER] == 10
    watch.counts.clear()
    watch.note("asyncpg.pool")
    assert watch.counts == {}


@pytest.mark.parametrize(
    ("name", "counted"),
    [("shop.cart", "shop.cart"), ("a\x1b[2J", "?"), ("a b", "?"), ("a" * 101, "?"), ("é", "?")],
)
def test_a_name_that_is_none_stands_nowhere(
    port: int, watch: naked.Watch, name: str, counted: str
) -> None:
    """Whoever runs text as code chooses the name of its module."""
    exec(  # noqa: S102
        "import socket; socket.create_connection(address).close()",
        {"__name__": name, "address": ("127.0.0.1", port)},
    )
    assert watch.counts == {counted: 1}


def test_every_way_of_a_socket_is_counted(port: int, watch: naked.Watch) -> None:
    """connect, connect_ex, and a datagram with an address; not one on a socket that is connected."""
    with socket.socket() as made:
        made.connect_ex(("127.0.0.1", port))
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.sendto(b"x", ("127.0.0.1", port))
        made.sendmsg([b"x"], [], 0, ("127.0.0.1", port))
        assert watch.counts == {__name__: 3}
        made.connect(("127.0.0.1", port))
        assert watch.counts == {__name__: 4}
        made.sendmsg([b"x"])
    assert watch.counts == {__name__: 4}


def test_where_only_the_standard_library_stands(port: int, watch: naked.Watch) -> None:
    """On a thread or in a task of its own: who runs the loop or the pool has asked for nothing."""

    async def work() -> None:
        calls = http.client.HTTPConnection("127.0.0.1", port)
        await asyncio.get_running_loop().run_in_executor(None, calls.connect)
        calls.close()
        assert watch.counts == {"http.client": 1}
        _, writer = await asyncio.open_connection("localhost", port, happy_eyeballs_delay=9)
        writer.close()

    asyncio.run(work())
    assert {name.partition(".")[0] for name in watch.counts} == {"http", "asyncio"}


def test_what_is_forbidden_inside_stays_forbidden_outside(watch: naked.Watch) -> None:
    """The inner one ends and the outer one holds on; afterwards nothing is forbidden."""
    with watch.forbidden():
        with watch.forbidden():
            pass
        with pytest.raises(naked.NakedEgress):
            watch.note("stripe")
    watch.note("stripe")
    assert watch.counts == {"stripe": 2}
