"""Attackers of the fault run: the demonstration's own attacks in rotation, and what each may do."""

import random
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from threading import Event
from typing import Any

import httpx

from pratique.demo.gateway.shop import HOST
from pratique.demo.orders.guarded import DOMAIN, GATEWAY, REPORTS
from pratique.demo.payments.attacks import ATTACKS as PAYMENTS
from pratique.demo.payments.target import WEBHOOK, Delivery
from pratique.demo.preview.attacks import ATTACKS as PREVIEWS
from pratique.service import Issuer
from tests.faults.soak_apps import REFUND
from tests.faults.soak_parties import LIES_TOLD, invoice
from tests.faults.soak_rows import ALL, HONEST
from tests.faults.soak_traffic import Tally, code_of, inner
from tests.faults.soak_world import KINDS, World

_IN_SQLITE = {"WH-18", "WH-19", "WH-24"}
"""They reach into the demonstration's own files."""
DELIVERED = tuple(one for one in PAYMENTS if one.id not in _IN_SQLITE)
SHOWN = tuple(
    one
    for one in PREVIEWS
    if one.by == "preview" and not (one.id.startswith("H") or one.names or one.send or one.stored)
)
MALLORY = sha256(b"a key of one's own").digest()
LONG = timedelta(hours=2)
"""Longer than any jump of the clock: what is as old is stale at every moment of the run."""


class Sender:
    """What an attack of the demonstration sends to: its invoices are the provider's here."""

    def __init__(self, hostile: "Hostile", client: httpx.Client) -> None:
        self._hostile, self._client = hostile, client
        self.secret = hostile.world.secret

    def invoice(self, number: int, **changes: Any) -> None:
        """Write an invoice at the provider."""
        invoices = self._hostile.world.parties.invoices
        invoices[f"in_{number}"] = {**invoice(number), **changes}

    def send(self, *deliveries: Delivery) -> None:
        """Send one after the other, to either process."""
        for content, fields in deliveries:
            headers = {"content-type": "application/json", "connection": "close", **fields}
            self._hostile.post(self._client, "payments", WEBHOOK, content=content, headers=headers)

    def send_at_once(self, deliveries: Iterable[Delivery]) -> None:
        """Send all at the same time."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(self.send, deliveries))


class Hostile:
    """Sends attacks one after the other, each about a row of its own."""

    def __init__(self, world: World, tally: Tally) -> None:
        self.world, self.tally = world, tally
        self.payments: dict[int, int] = {}
        """Row -> most upgrades that a sound API shows afterwards; no row has more than it says."""
        self.orders: dict[int, int] = {}
        self.previews: set[str] = set()
        """Users for whom nothing may be stored."""
        self.attacks = 0
        self._numbers = count(HONEST)

    def run(self, seed: int, pause: float, ends: Event) -> None:
        """Attack until it ends."""
        chance = random.Random(f"{seed} hostile")
        names = ("", "gateway", "reports")
        clients = {name: inner(self.world, name) for name in names}
        clients["away"] = inner(self.world, address=f"{AWAY}{seed % 200 + 1}")
        all_ways = zip(
            KINDS,
            (self._deliver, self._call, self._decide, self._show, self._visit),
            strict=True,
        )
        ways = [way for kind, way in all_ways if kind in self.world.kinds]
        turn = chance.randrange(1000)
        while not ends.is_set():
            number = next(self._numbers)
            if number >= ALL:
                self.tally.blame("hostile: the rows don't last")
                return
            ways[turn % len(ways)](clients, turn // len(ways), number)
            self.attacks += 1
            turn += 1
            ends.wait(chance.uniform(0.5, 1.5) * pause)
        for client in clients.values():
            client.close()

    def post(
        self, client: httpx.Client, kind: str, path: str, **more: Any
    ) -> httpx.Response | None:
        """Send once; what is lost is lost."""
        apis = self.world.of(kind)
        api = apis[random.randrange(len(apis))]
        self.tally.sent[f"hostile {kind}"] += 1
        try:
            answer = client.post(api.url + path, **more)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            self.tally.note(self.tally.hostile, kind, type(error).__name__)
            return None
        self.tally.note(self.tally.hostile, kind, code_of(answer))
        if self.world.parties.key in answer.text or self.world.secret in answer.text:
            self.tally.blame(f"hostile {kind}: a secret came out")
        return answer

    def _deliver(self, clients: dict[str, httpx.Client], turn: int, number: int) -> None:
        attack = DELIVERED[turn % len(DELIVERED)]
        self.payments[number] = attack.sound
        sender: Any = Sender(self, clients[""])
        attack.send(sender, number)

    def _call(self, clients: dict[str, httpx.Client], turn: int, number: int) -> None:
        who, sound, fields, times = CALLS[turn % len(CALLS)](self.world, number)
        self.orders[number] = sound
        for _ in range(times):
            path = f"/api/orders/{number}/refund"
            self.post(clients[who], "orders", path, headers=fields)

    def _decide(self, clients: dict[str, httpx.Client], turn: int, number: int) -> None:
        _ = turn  # the partner lies by the number
        self.post(clients[""], "risk", f"/api/orders/{number}/decide")

    def _show(self, clients: dict[str, httpx.Client], turn: int, number: int) -> None:
        attack, user = SHOWN[turn % len(SHOWN)], f"x{number}"
        if attack.stored is not None:
            self.previews.add(user)
        for url in attack.urls:
            port = self.world.of("preview")[0].port
            spelt = url.format(canary=self.world.parties.canary, own=port, file="/etc/hostname")
            self.post(
                clients[""],
                "preview",
                "/api/preview",
                json={"url": spelt},
                headers={"x-user": user},
            )

    def _visit(self, clients: dict[str, httpx.Client], turn: int, number: int) -> None:
        """Say that somebody else calls, through the gateway or past it."""
        apis = self.world.of("gateway")
        api = apis[turn % len(apis)]
        spoof, past = SPOOFS[turn % len(SPOOFS)], turn // len(SPOOFS) % 2
        url = api.url if past else self.world.gateways[api.name].url
        self.tally.sent["hostile gateway"] += 1
        fields = [("Host", HOST), *spoof]
        try:
            answer = clients["away"].post(f"{url}/api/visits/{number}", headers=fields)
        except httpx.TransportError as error:
            self.tally.note(self.tally.hostile, "gateway", type(error).__name__)
        else:
            self.tally.note(self.tally.hostile, "gateway", code_of(answer))


AWAY = "127.0.40."
"""Whence attackers send what a gateway says of them; honest clients send from 127.0.30.x."""
SPOOFS: tuple[tuple[tuple[str, str], ...], ...] = (
    (("X-Forwarded-For", "127.0.30.1"),),
    (("X-Forwarded-For", "127.0.30.1, 127.0.0.1"),),
    (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "127.0.30.1")),
    (("Forwarded", "for=127.0.30.1"), ("X-Real-IP", "127.0.30.1")),
    (("X_Forwarded_For", "127.0.30.1"), ("True-Client-IP", "127.0.30.1")),
    (("X-Forwarded-For", "unknown, 127.0.30.1"), ("X-Forwarded-Proto", "https, http")),
    (("X-Forwarded-Host", "evil.example"), ("X-Forwarded-For", "127.0.30.1")),
    (("X-Forwarded-For", "127.0.30.1:99999"), ("X-Forwarded-Host", HOST)),
)


def states_of(number: int) -> frozenset[str]:
    """Return in which states a hostile order may be."""
    return LIES_TOLD[number % len(LIES_TOLD)].states | {"new"}


Call = tuple[str, int, dict[str, str], int]
"""Whose certificate, how many refunds are sound, the fields, how often it is sent."""


def _token(world: World, number: int, *, by: Issuer | None = None, **changes: Any) -> str:
    said = {
        "scope": [REFUND],
        "caller": GATEWAY,
        "at": datetime.now(UTC),
        "about": {"object": str(number)},
        **changes,
    }
    subject = said.pop("subject", f"root:{number}")
    return (by or world.parties.minter).mint(subject, **said)


def _call(who: str = "gateway", *, sound: int = 0, times: int = 1, **changes: Any) -> Any:
    def call(world: World, number: int) -> Call:
        return who, sound, {"txn-token": _token(world, number, **changes)}, times

    return call


def _forged(key_name: str, domain: str = DOMAIN) -> Any:
    """Sign with a key of one's own, under the name of the issuer's or under a new one."""

    def call(world: World, number: int) -> Call:
        name = key_name or world.parties.minter.key_name
        mine = Issuer(world.parties.issuer, trust_domain=domain, seed=MALLORY, key_name=name)
        return "gateway", 0, {"txn-token": _token(world, number, by=mine)}, 1

    return call


def _aged(age: timedelta) -> Any:
    def call(world: World, number: int) -> Call:
        at = datetime.now(UTC) - age
        return "gateway", 0, {"txn-token": _token(world, number, at=at)}, 1

    return call


def _fields(**fields: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return lambda world, number: ("", 0, named, 1)


def _spoilt(world: World, number: int) -> Call:
    head, claims, signature = _token(world, number).split(".")
    changed = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    return "gateway", 0, {"txn-token": f"{head}.{claims}.{changed}"}, 1


CALLS: tuple[Callable[[World, int], Call], ...] = (
    _fields(),
    _fields(x_user_role="admin"),
    _call(""),
    _call("reports"),
    _call("reports", caller=REPORTS),
    _forged(""),
    _forged("a-name-that-nobody-knows"),
    _forged("", "bank.example"),
    _aged(LONG),
    _aged(-LONG),
    _call(about={"object": "1"}),
    _call(about=None),
    _call(scope=["orders.list"]),
    _call(subject="mallory"),
    _spoilt,
    _call(sound=1, times=3),
)
