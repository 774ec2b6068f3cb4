"""A flood keeps nothing: whatever strangers and clients vary, what this process holds stays within its bounds."""

import functools
import gc
import logging
import sys
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from pratique import Perimeter
from pratique.client import BearerToken, Client
from pratique.core.claim import Claim, Fields, Via
from pratique.core.memo import Memo
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.keys.remote import RemoteKeys, Snapshot
from pratique.service import Minter, Service, TransactionToken
from pratique.stores.memory_store import MemoryStore
from tests.service.orders import GATEWAY, TOKENS, Peer, token
from tests.shop import Invoice, boundary, claim
from tests.tokens import AT, jwk_of, mint, policy

FLOOD = 1_500
"""Of each of seven kinds in one wave; by hand 7,500 are 105,000 crossings in two waves."""
ROWS = 5
"""Rows of what was done: a delivery and its invoice; a token, its effect and its Idempotency-Key."""
SPARE = 150
"""Live objects that a wave may leave: a tenth of one a request of each kind."""
MOST = 4096
"""The largest bound of what one container remembers of what is sent: `address.KNOWN`."""
LOOK = 50
"""One in so many unknown names finds the issuer's cool-down over, and has it asked."""
CONTAINERS = (dict, list, set, deque, OrderedDict)
JSON = ("Content-Type", "application/json")


class Told(RemoteKeys):
    """Keys of an issuer who is asked in this process, by a clock of the test."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__("https://idp.example.com", clock=lambda: self.seconds)
        self.told = KeySet.of(jwk_of("HS256"))

    def load(self) -> Snapshot:
        return Snapshot(self.told, timedelta(days=365))


class Flooded:
    """One perimeter with five boundaries, and who sends to each: honest and hostile by turns."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.perimeter = Perimeter(self.store, clock=lambda: AT, deadline=None)
        self.heard: Counter[str] = Counter()
        self._sent = 0
        self.keys = Told()
        self._declare()
        self.senders: list[Callable[[int], object]] = [
            self.pay, self.forge, self.name, self.bear, self.refund, self.fetch, self.pass_on,
        ]  # fmt: skip

    def _declare(self) -> None:
        declare = self.perimeter.declare
        self.payments = declare(boundary())
        self.payments.on(
            "invoice.paid",
            confirm=lambda event: Invoice(event.object_id, "cus_1"),
            once=lambda invoice: invoice.id,
            link=lambda invoice: invoice,
            allow=lambda invoice, row: True,
        )(lambda paid: None)
        self.perimeter.attach(self.keys)
        identity = BearerToken(
            policy("HS256", keys=self.keys), revoked=lambda _: False, cache=TokenCache(max_tokens=9)
        )
        everybody = Client("mine", identity=identity, user=str, policy=lambda *_: True)
        self.mine = declare(everybody)
        self.read = self.mine.action(
            "thing.read", verb="read", find=lambda user, key: (user, key), read_key=str
        )
        minter = Minter(
            issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"thing.do"}, subjects="customer:"
        )
        self.orders = declare(
            Service(
                "orders",
                caller=Peer({GATEWAY: frozenset({"thing.do"})}),
                context=TransactionToken("shop.example", minters=[minter]),
                user=str,
                policy=lambda *_: True,
            )
        )
        self.do = self.orders.once(
            "thing.do", key=lambda asked: asked.key, link=lambda user, key: key, read_key=str
        )(lambda proven: None)
        self.pages = declare(Fetch("pages", FetchPolicy(hosts=PUBLIC, schemes={"http"})))
        trusted = ProxyPolicy(
            trusted=("10.0.0.0/8",), header="x-forwarded-for", hosts=("api.example",)
        )
        self.edge = declare(Forwarded("edge", trusted))

    def wave(self) -> None:
        """Send so many of each kind, none like one before."""
        self.heard.clear()
        begin, self._sent = self._sent, self._sent + FLOOD
        for number in range(begin, self._sent):
            for send in self.senders:
                try:
                    send(number)
                    self.heard[f"{send.__name__} proven"] += 1
                except Refused as refused:
                    self.heard[f"{send.__name__} {refused.code}"] += 1
        gc.collect()

    def pay(self, number: int) -> object:
        """Pay, each time another invoice by another delivery."""
        return self.perimeter.admit(self.payments, claim(f"evt_{number}", invoice=f"in_{number}"))

    def forge(self, number: int) -> object:
        """Send what nobody signed, by fields that nobody knows."""
        lines = [(f"X-{number}", "1"), ("Stripe-Signature", f"t={number},v1={number:064x}")]
        return self.perimeter.admit(self.payments, Claim(b"{}", Fields(lines), AT))

    def name(self, number: int) -> object:
        """Name a key that the issuer hasn't."""
        if number % LOOK == 0:
            self.keys.seconds += 60
        return self._read(mint("HS256", header={"kid": f"k-{number}"}), number)

    def bear(self, number: int) -> object:
        """Bear a token of one's own to an object of one's own."""
        return self._read(mint("HS256", claims={"sub": f"u-{number}", "jti": f"{number}"}), number)

    def refund(self, number: int) -> object:
        """Do what is done once, with a key for trying again."""
        sent = [
            ("Txn-Token", token(subject=f"customer:{number}", scope=["thing.do"], at=AT,
                                about={"object": f"{number}"})),
            ("Idempotency-Key", f'"{number:032}"'),
        ]  # fmt: skip
        asked = Claim(b"", Fields(sent), AT, Via(peer=GATEWAY, method="POST"))
        return self.perimeter.perform(
            self.orders, asked, lambda crossing: self.do.flow(crossing, key=f"{number}")
        )

    def fetch(self, number: int) -> object:
        """Name an address that nobody may reach, as somebody else each time."""
        url = f"http://10.{number >> 16}.{number >> 8 & 255}.{number & 255}/{number}"
        return self.pages.get(url, principal=f"u-{number}")

    def pass_on(self, number: int) -> object:
        """Come from another address through the proxy; every second host isn't ours."""
        there = f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
        host = "api.example" if number % 2 else f"h{number}.example"
        lines = [("Host", host), ("X-Forwarded-For", f"203.0.113.{number % 256}, {there}")]
        asked = Claim(b"", Fields(lines), AT, Via(peer="10.0.0.1"))
        return self.perimeter.admit(self.edge, asked)

    def _read(self, bearer: str, number: int) -> object:
        sent = [("Authorization", f"Bearer {bearer}"), JSON]
        asked = Claim(b"", Fields(sent), AT, Via(method="GET"))
        return self.perimeter.carry_here(
            self.mine, asked, lambda crossing: self.read.flow(crossing, key=f"{number}")
        )


def live() -> list[object]:
    """Return every live object that is younger than the fixture, and what our modules hold."""
    ours = [vars(m) for name, m in sys.modules.items() if name.startswith("pratique")]
    return [*gc.get_objects(), *(value for module in ours for value in module.values())]


def held() -> Counter[str]:
    """Return how much the containers of live objects of ours hold, by name.

    Aside: the store's rows, which are meant to stay, and each `Memo`, which has a bound of its own.
    """
    found: Counter[str] = Counter()
    for name, module in sys.modules.items():
        if name.startswith("pratique"):
            found.update(_sizes(name, vars(module).items()))
    for thing in live():
        kind = type(thing)
        if issubclass(kind, functools._lru_cache_wrapper):
            if is_ours(thing) and thing.cache_parameters()["maxsize"] is None:
                found[thing.__qualname__] = thing.cache_info().currsize
        elif any(map(is_ours, kind.__mro__)) and not issubclass(kind, (MemoryStore, Memo)):
            names = {*getattr(thing, "__dict__", ()), *_slots(kind)}
            values = ((name, getattr(thing, name, None)) for name in names)
            found.update(_sizes(kind.__name__, values))
    return found


def is_ours(thing: object) -> bool:
    """Say whether a class or a function is the product's."""
    return str(getattr(thing, "__module__", "")).startswith("pratique")


def _sizes(owner: str, values: Iterable[tuple[str, object]]) -> dict[str, int]:
    return {
        f"{owner}.{name}": len(value)
        for name, value in values
        if issubclass(type(value), CONTAINERS) and not issubclass(type(value), Memo)
    }


def memos() -> list[Memo[Any, Any]]:
    """Return every memory that begins anew when it is full."""
    return [thing for thing in live() if issubclass(type(thing), Memo)]


def _slots(kind: type) -> set[str]:
    found: set[str] = set()
    for one in kind.__mro__:
        said = vars(one).get("__slots__", ())
        found.update((said,) if isinstance(said, str) else said)
    return found


@pytest.fixture(scope="module")
def flooded() -> Iterator[Flooded]:
    """Give a perimeter that has had one wave; what is older isn't looked at."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("pratique"), "disabled", True)
        gc.collect()
        gc.freeze()
        try:
            made = Flooded()
            with made.perimeter:
                made.wave()
                yield made
        finally:
            gc.unfreeze()


def left_by(flooded: Flooded, *more: Callable[[int], object]) -> tuple[dict[str, int], int]:
    """Send another wave; return by how much each container grew, and how many objects are left."""
    containers, objects = held(), len(gc.get_objects())
    flooded.senders += more
    flooded.wave()
    del flooded.senders[len(flooded.senders) - len(more) :]
    return dict(held() - containers), len(gc.get_objects()) - objects


def test_a_flood_leaves_nothing_but_what_the_bounds_hold(flooded: Flooded) -> None:
    """CWE-770: after a wave of other names, keys, addresses and users as much is held as before it."""
    settled = len(flooded.store.settled)
    grown, objects = left_by(flooded)
    assert grown == {}
    assert objects < SPARE
    assert [memo for memo in memos() if len(memo) > memo.most or memo.most > MOST] == []
    unknown = flooded.heard.pop("name unknown_key"), flooded.heard.pop("name keys_unavailable")
    assert min(unknown) > 0
    assert sum(unknown) == FLOOD
    assert flooded.heard == {
        "pay proven": FLOOD,
        "forge bad_signature": FLOOD,
        "bear proven": FLOOD,
        "refund proven": FLOOD,
        "fetch address_not_allowed": FLOOD,
        "pass_on proven": FLOOD // 2,
        "pass_on host_not_allowed": FLOOD // 2,
    }
    # What was refused before it was known who sent it leaves no row.
    assert len(flooded.store.settled) - settled == ROWS * FLOOD


def test_a_label_of_a_strangers_own_is_found(flooded: Flooded) -> None:
    """The law bites: one counter a request is a container that grows."""
    tally = flooded.perimeter.tally
    assert left_by(flooded, lambda n: tally.add(("edge", "", "", "", f"{n}")))[0] == {
        "Tally.counts": FLOOD
    }


def test_one_object_a_request_is_found(flooded: Flooded) -> None:
    """And what is kept elsewhere is more objects."""
    kept: list[object] = []
    assert left_by(flooded, lambda n: kept.append([n]))[1] > FLOOD - SPARE
