"""Honest senders, who go by the answers that they get, and what every sender of the run counts."""

import random
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from threading import Event, Lock
from typing import Any

import httpx

from pratique.demo.gateway.shop import HOST
from pratique.demo.orders.guarded import GATEWAY
from pratique.demo.payments.target import WEBHOOK, body, signed
from pratique.demo.preview.told import IMAGES
from tests.faults.soak_apps import REFUND
from tests.faults.soak_rows import HONEST
from tests.faults.soak_world import KINDS, Api, World

PATIENCE = 8.0
"""Seconds that a sender waits for an answer."""
LONGEST_PAUSE = 2.0
FRESH = ("payments", "orders")
"""What is signed for a moment: refused while the clock is wrong."""
KEPT = 50


@dataclass
class Tally:
    """What was sent, and what came of it."""

    asked: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    done: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in KINDS})
    honest: Counter[str] = field(default_factory=Counter)
    """Answers to honest senders, by API and code."""
    hostile: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    worst: dict[str, float] = field(default_factory=lambda: dict.fromkeys(KINDS, 0.0))
    """Seconds from the first attempt to a 2xx."""
    working: Counter[str] = field(default_factory=Counter)
    """Requests under way, by process."""
    visitors: dict[int, str] = field(default_factory=dict)
    """The address from which each honest visit is sent."""
    wrong: list[str] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def note(self, whose: Counter[str], kind: str, code: str) -> None:
        """Count an answer."""
        with self.lock:
            whose[f"{kind} {code}"] += 1

    def blame(self, what: str) -> None:
        """Keep what mustn't be."""
        with self.lock:
            self.wrong.append(what)


class Jumps:
    """When the clock of the APIs is wrong; a request knows whether it was under way meanwhile."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._number = 0
        self._is_near = self._is_sure = False

    def begin(self, seconds: float) -> None:
        """Let it jump."""
        self._number += 1
        self._is_near = True
        self._world.jump(seconds)
        self._is_sure = True

    def end(self) -> None:
        """Let it tell the true time again."""
        self._is_sure = False
        self._world.jump(0)
        self._is_near = False

    def now(self) -> tuple[int, bool, bool]:
        """Return which jump it is or was, whether one may be felt, and whether it must be."""
        return self._number, self._is_near, self._is_sure


def touched(before: tuple[int, bool, bool], after: tuple[int, bool, bool]) -> bool:
    """Say whether a request may have seen a wrong clock."""
    return before[0] != after[0] or before[1] or after[1]


def inside(before: tuple[int, bool, bool], after: tuple[int, bool, bool]) -> bool:
    """Say whether a request can't have seen a right one."""
    return before[0] == after[0] and before[2] and after[2]


def code_of(answer: httpx.Response) -> str:
    """Return the status, and the code of a problem."""
    if answer.headers.get("content-type") == "application/problem+json":
        problem = answer.json()
        code = problem.get("code") or problem.get("type", "").rpartition(":")[2]
        return f"{answer.status_code} {code}"
    return str(answer.status_code)


def inner(world: World, who: str = "", *, address: str = "") -> httpx.Client:
    """Return a client that believes our authority, and shows a certificate where it has one.

    It sends from an address of loopback where one is named.
    """
    context = ssl.create_default_context(cafile=str(world.ca))
    if who:
        context.load_cert_chain(world.folder / f"{who}.pem")
    door = httpx.HTTPTransport(verify=context, local_address=address or None)
    return httpx.Client(transport=door, trust_env=False, timeout=PATIENCE)


class Honest:
    """Sends each thing until it is done.

    A lost connection and a 5xx are tried again after a pause, a 4xx is a failure, unless the clock
    jumped meanwhile.
    """

    def __init__(self, world: World, jumps: Jumps, tally: Tally) -> None:
        self.tally, self._world, self._jumps = tally, world, jumps
        self._numbers = {kind: count() for kind in KINDS}
        self._asking: dict[str, Callable[[httpx.Client, Api, int], httpx.Response]] = {
            "payments": self._pay,
            "orders": self._refund,
            "risk": self._decide,
            "preview": self._show,
            "gateway": self._visit,
        }
        self._from = threading.local()

    def run(self, kind: str, seed: int, pause: float, ends: Event, gives_up: Event) -> None:
        """Send one thing after the other until it ends; finish the last one."""
        chance = random.Random(f"{seed} {kind}")
        self._from.address = f"127.0.30.{seed % 200 + 1}" if kind == "gateway" else ""
        who = "gateway" if kind == "orders" else ""
        with inner(self._world, who, address=self._from.address) as client:
            while not ends.is_set():
                number = next(self._numbers[kind])
                if number >= HONEST:
                    self.tally.blame(f"{kind}: the rows don't last")
                    return
                self._send(client, kind, number, chance, gives_up)
                ends.wait(chance.uniform(0.5, 1.5) * pause)

    def _send(
        self, client: httpx.Client, kind: str, number: int, chance: random.Random, gives_up: Event
    ) -> None:
        self.tally.asked[kind].add(number)
        began = time.monotonic()
        apis = self._world.of(kind)
        for attempt in count():
            if self._try(client, kind, number, apis[(number + attempt) % 2]):
                self.tally.done[kind].add(number)
                took = time.monotonic() - began
                self.tally.worst[kind] = max(self.tally.worst[kind], took)
                break
            pause = min(LONGEST_PAUSE, 0.1 * 2 ** min(attempt, 6))
            if gives_up.wait(chance.uniform(0.5, 1.0) * pause):
                return
        if chance.random() < 0.2:  # senders send again what was done
            self._try(client, kind, number, chance.choice(apis), again=True)

    def _try(
        self, client: httpx.Client, kind: str, number: int, api: Api, *, again: bool = False
    ) -> bool:
        before = self._jumps.now()
        self.tally.sent[f"honest {kind}"] += 1
        try:
            with self._under_way(api):
                answer = self._asking[kind](client, api, number)
        except httpx.TransportError as error:
            self.tally.note(self.tally.honest, kind, type(error).__name__)
            return False
        after = self._jumps.now()
        code = code_of(answer)
        jumped = touched(before, after)
        self.tally.note(self.tally.honest, kind, f"{code} (clock)" if jumped else code)
        if answer.is_success:
            if kind in FRESH and inside(before, after):
                self.tally.blame(f"{kind} {number}: {code} while the clock was wrong")
            return True
        if answer.status_code < 500 and not jumped:
            self.tally.blame(f"{kind} {number}{' again' * again}: honest, and {code}")
        return False

    @contextmanager
    def _under_way(self, api: Api) -> Any:
        with self.tally.lock:
            self.tally.working[api.name] += 1
        try:
            yield
        finally:
            with self.tally.lock:
                self.tally.working[api.name] -= 1

    def _pay(self, client: httpx.Client, api: Api, number: int) -> httpx.Response:
        content, fields = signed(body(number), self._world.secret)
        return client.post(api.url + WEBHOOK, content=content, headers={**fields, **_JSON})

    def _refund(self, client: httpx.Client, api: Api, number: int) -> httpx.Response:
        token = self._world.parties.minter.mint(
            f"root:{number}",
            scope=[REFUND],
            caller=GATEWAY,
            at=datetime.now(UTC),
            about={"object": str(number)},
        )
        fields = {"txn-token": token, "idempotency-key": f'"refund-of-{number:08}"'}
        return client.post(f"{api.url}/api/orders/{number}/refund", headers=fields)

    def _decide(self, client: httpx.Client, api: Api, number: int) -> httpx.Response:
        return client.post(f"{api.url}/api/orders/{number}/decide")

    def _visit(self, client: httpx.Client, api: Api, number: int) -> httpx.Response:
        self.tally.visitors[number] = self._from.address
        url = f"{self._world.gateways[api.name].url}/api/visits/{number}"
        return client.post(url, headers={"host": HOST})

    def _show(self, client: httpx.Client, api: Api, number: int) -> httpx.Response:
        sent = {"url": f"https://{IMAGES}/page/{number}"}
        return client.post(f"{api.url}/api/preview", json=sent, headers={"x-user": f"h{number}"})


_JSON = {"content-type": "application/json"}
