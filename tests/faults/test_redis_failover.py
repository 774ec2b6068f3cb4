"""What a failover of Redis takes back: measured, and said in docs/how-to/keep-keys-in-redis.md."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from pratique import Refused, stores
from pratique.core.refusal import StoreError
from tests import shop as shops
from tests.faults.rounds import rounds
from tests.redis_server import RedisServer, running
from tests.shop import claim

pytestmark = [pytest.mark.faults, pytest.mark.server, pytest.mark.timeout(600)]
WRITERS, CLAIMS = 8, 100


@pytest.fixture
def pair() -> Iterator[tuple[RedisServer, RedisServer]]:
    """Run a primary and its replica, in step."""
    with running(repl_diskless_sync_delay="0") as primary, running() as replica:
        follow(primary, replica)
        yield primary, replica


def follow(primary: RedisServer, replica: RedisServer) -> None:
    """Let a server copy another one, and wait until it has."""
    with replica.client() as client:
        client.replicaof("127.0.0.1", str(primary.port))
    with primary.client() as client:
        client.set("in step", "1")
        for _ in range(200):
            if client.wait(1, 100) == 1:
                return
    raise TimeoutError("the replica didn't come into step")


def promote(replica: RedisServer) -> None:
    """Make a primary of it, as a sentinel does."""
    with replica.client() as client:
        client.replicaof("NO", "ONE")


def lost_on(server: RedisServer, used: list[bytes]) -> int:
    """Return how many used keys are new there."""
    store = stores.redis(server.url)
    store.start()
    lost = sum(store.first_use((key,), "again") is None for key in used)
    store.close()
    return lost


def test_a_promotion_forgets_what_was_not_copied(pair: tuple[RedisServer, RedisServer]) -> None:
    """Acknowledged while the copy stood still, and all of it new again. WAIT tells; it takes nothing back.

    The twin: what was copied before is used afterwards.
    """
    primary, replica = pair
    store = stores.redis(primary.url)
    store.start()
    copied, not_copied = ([b"%s-%d" % (n, i) for i in range(CLAIMS)] for n in (b"a", b"b"))
    assert all(store.first_use((key,), "c") is None for key in copied)
    with primary.client() as client, replica.client() as other:
        assert client.wait(1, 1000) == 1
        other.replicaof("127.0.0.1", "1")  # it looks for its primary in vain
        assert all(store.first_use((key,), "c") is None for key in not_copied)
        client.set("written here", "1")  # WAIT is about the writes of its own connection
        assert client.wait(1, 50) == 0
        assert store.first_use(not_copied[:1], "d") == not_copied[0]
    store.close()
    identity = store.identity
    primary.kill()
    promote(replica)
    assert lost_on(replica, copied) == 0
    assert lost_on(replica, not_copied) == CLAIMS
    assert identity  # the promoted one has it too: nothing tells it from the whole store
    again = stores.redis(replica.url, identity=identity)
    again.start()
    again.close()


def test_one_event_has_two_effects_after_such_a_promotion(
    pair: tuple[RedisServer, RedisServer],
) -> None:
    """The hole itself: the same delivery, before and after. Without the promotion it is refused."""
    primary, replica = pair
    first = shops.held(stores.redis(primary.url))
    with replica.client() as other, first.perimeter:
        other.replicaof("127.0.0.1", "1")
        first.perimeter.admit(first.payments, claim())
        with pytest.raises(Refused) as refused:
            first.perimeter.admit(first.payments, claim())
        assert refused.value.code == "replayed"
    primary.kill()
    promote(replica)
    then = shops.held(stores.redis(replica.url))
    with then.perimeter:
        then.perimeter.admit(then.payments, claim())
    assert (first.row["upgrades"], then.row["upgrades"]) == (1, 1)


def killed_under_load(server: RedisServer, label: bytes) -> list[bytes]:
    """Claim with eight threads, kill the server among them; return what it acknowledged."""
    stopped = Event()
    store = stores.redis(server.url)
    store.start()

    def claims(writer: int) -> list[bytes]:
        used: list[bytes] = []
        while not stopped.is_set():
            key = b"%s-%d-%d" % (label, writer, len(used))
            try:
                store.first_use((key,), "c")
            except StoreError:
                break
            used.append(key)
        return used

    with ThreadPoolExecutor(WRITERS) as pool:
        working = [pool.submit(claims, writer) for writer in range(WRITERS)]
        time.sleep(0.2)
        server.kill()
        stopped.set()
        used = [key for one in working for key in one.result()]
    store.close()
    return used


@pytest.mark.parametrize("fsync", ["always", "everysec"])
def test_a_server_that_is_killed_forgets_nothing_with_always(fsync: str) -> None:
    """With everysec it acknowledges what it holds back while the disk is busy: some of it is forgotten."""
    total = gone = 0
    with running(appendfsync=fsync) as server:
        for number in range(rounds(2)):
            used = killed_under_load(server, b"%d" % number)
            server.start()
            total, gone = total + len(used), gone + lost_on(server, used)
    print(f"{fsync}: killed {rounds(2)} times, {total} claims acknowledged, {gone} forgotten")
    assert total > 0
    assert gone == 0 or fsync == "everysec"


def test_what_a_failover_under_load_forgets(pair: tuple[RedisServer, RedisServer]) -> None:
    """Figures: a primary killed while eight threads claim and its replica keeps up."""
    primary, replica = pair
    total = gone = 0
    for number in range(rounds(2)):
        used = killed_under_load(primary, b"%d" % number)
        promote(replica)
        total, gone = total + len(used), gone + lost_on(replica, used)
        primary.start()
        follow(replica, primary)
        primary, replica = replica, primary
    print(f"failover: {rounds(2)} times, {total} claims acknowledged, {gone} forgotten")
    assert total > 0
    assert gone <= total // 10
