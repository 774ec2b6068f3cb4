"""The others of the fault run: a provider, a partner, a site and an issuer, each in a mood; a canary.

They live in the process that runs it, on threads. A mood is how one of them answers just now.
"""

import json
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pratique.demo.orders.guarded import DOMAIN
from pratique.demo.preview.site import site
from pratique.demo.preview.target import NAMES
from pratique.demo.preview.target import PUBLIC as SITES
from pratique.demo.risk.attacks import ATTACKS as LIES
from pratique.demo.risk.attacks import Attack as Lie
from pratique.demo.risk.attacks import answer as honest_score
from pratique.demo.risk.orders import HOST
from pratique.demo.risk.partner import answer as scripted
from pratique.demo.risk.target import ADDRESS
from pratique.demo.wire import Seen, Wire, reply
from pratique.service import Issuer
from tests.faults.soak_rows import HONEST, PRICE
from tests.processes import free_port

HONEST_MOOD = "honest"
MOODS = (HONEST_MOOD, "hangs", "slow", "refuses", "lies")
JSON = {"Content-Type": "application/json"}
_LONGEST = 12.0
LIES_TOLD: tuple[Lie, ...] = tuple(
    lie
    for lie in LIES
    if not (lie.id.startswith("H") or lie.names or lie.order) and lie.may_be_asked
)
"""Of the demonstration: those that lie in the answer alone."""


class Parties:
    """Everybody else.

    Args:
        folder: With the certificates "partner.pem" and "site.pem".
        key: What the risk API sends to its partner.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.mood = dict.fromkeys(("provider", "partner", "site", "issuer"), HONEST_MOOD)
        self.invoices: dict[str, dict[str, Any]] = {}
        self._lock = Lock()
        self._wires: list[Wire] = []
        self._threads: list[Thread] = []
        self.canary_hits: list[Seen] = []
        self.seen = 0
        self.key = key
        self.canary = self._serve(self._canary)
        self.provider = self._serve(self._provider)
        self.partner = self._serve(self._partner, folder / "partner.pem")
        self.site = self._serve(self._site, folder / "site.pem")
        self._lied_to = SimpleNamespace(
            canary=SimpleNamespace(port=self.canary), key=key, path=folder / "x"
        )
        self.issuer = f"http://127.0.0.1:{self._serve(self._issuer)}"
        self._keys: list[Issuer] = []
        self.rotate()

    def rotate(self) -> None:
        """Publish a new key; the one before it verifies on, the one before that is taken back."""
        with self._lock:
            name = f"k{secrets.token_hex(4)}"
            seed = secrets.token_bytes(32)
            made = Issuer(self.issuer, trust_domain=DOMAIN, seed=seed, key_name=name)
            self._keys = [*self._keys[-1:], made]

    @property
    def minter(self) -> Issuer:
        """Return the issuer with its newest key."""
        return self._keys[-1]

    def table(self, own: int) -> dict[str, Any]:
        """Return the names and ways of a process that listens on *own*: all leads to loopback."""
        ways = {f"{address}:{port}": self.site for address in SITES.values() for port in (80, 443)}
        ways |= {f"{ADDRESS}:443": self.partner, f"127.0.0.1:{own}": own, "*": self.canary}
        return {"names": {**NAMES, HOST: [[ADDRESS]]}, "ways": ways}

    def forget(self) -> None:
        """Drop what the wires have seen, keeping every hit of the canary."""
        for wire in self._wires:
            with wire._lock:
                found, wire._seen = wire._seen, []
            self.seen += len(found)

    def _serve(
        self, answer: Callable[[socket.socket, Seen], None], certificate: Path | None = None
    ) -> int:
        port = free_port()
        wire = Wire(port, answer, token=secrets.token_hex(8), certificate=certificate)
        self._wires.append(wire)

        def serve() -> None:
            with suppress(OSError):  # closed
                wire.serve()

        self._threads.append(Thread(target=serve, daemon=True))
        self._threads[-1].start()
        return port

    def close(self) -> None:
        """Listen no longer."""
        for wire in self._wires:
            wire._listening.shutdown(socket.SHUT_RDWR)
            wire._listening.close()
        for thread in self._threads:
            thread.join()

    def _behaves(self, who: str, connection: socket.socket) -> bool:
        """Do what its mood says; say whether an answer is due after that."""
        mood = self.mood[who]
        if mood == "hangs":
            end = time.monotonic() + _LONGEST
            while self.mood[who] == "hangs" and time.monotonic() < end:
                time.sleep(0.1)
            return False
        if mood == "slow":
            time.sleep(1)
        if mood == "refuses":
            with suppress(OSError):
                connection.sendall(reply(b"{}", 503, fields=JSON))
            return False
        return True

    def _canary(self, connection: socket.socket, seen: Seen) -> None:
        self.canary_hits.append(seen)
        connection.sendall(reply(b"{}", fields=JSON))

    def _provider(self, connection: socket.socket, seen: Seen) -> None:
        if not self._behaves("provider", connection):
            return
        name = seen.target.rpartition("/")[2]
        number = int(name.removeprefix("in_")) if name.removeprefix("in_").isdigit() else -1
        found = self.invoices.get(name)
        if 0 <= number < HONEST:
            found = invoice(number)
        if found is None:
            connection.sendall(reply(b"{}", 404, fields=JSON))
            return
        content = json.dumps(found).encode()
        if self.mood["provider"] == "lies":
            content = self._lie(number, content)
        connection.sendall(reply(content, fields=JSON))

    def _lie(self, number: int, content: bytes) -> bytes:
        """Return another invoice, half of one, what is none, one of the wrong types."""
        other = json.dumps(invoice((number + 1) % HONEST)).encode()
        wrong = content.replace(b'"amount": 2900', b'"amount": "2900"')
        return secrets.choice([other, content[: len(content) // 2], b"[]", b"\xff", wrong])

    def _partner(self, connection: socket.socket, seen: Seen) -> None:
        if not self._behaves("partner", connection):
            return
        order = parse_qs(urlsplit(seen.target).query)["order"][0]
        number = int(order)
        if self.mood["partner"] == "lies" or number >= HONEST:
            lie = LIES_TOLD[number % len(LIES_TOLD)]
            told: Any = self._lied_to
            says = lie.says[int(time.monotonic()) % len(lie.says)]
            script = says(told, order)
            if number >= HONEST or not lie.states & {"approve", "cancelled"}:
                scripted(connection, seen, script)
                return
        connection.sendall(reply(json.dumps(honest_score(order)).encode(), fields=JSON))

    def _site(self, connection: socket.socket, seen: Seen) -> None:
        if not self._behaves("site", connection):
            return
        if self.mood["site"] == "lies":
            connection.sendall(reply(b"x", fields={"Content-Type": "image/svg+xml"}))
            return
        site(connection, seen)

    def _issuer(self, connection: socket.socket, seen: Seen) -> None:
        if self.mood["issuer"] == "lies":
            connection.sendall(reply(b'{"keys": []}', fields=JSON))
            return
        if not self._behaves("issuer", connection):
            return
        with self._lock:
            keys = [key for one in self._keys for key in one.jwks()["keys"]]
        fields = {**JSON, "Cache-Control": "max-age=60"}
        connection.sendall(reply(json.dumps({"keys": keys}).encode(), fields=fields))


def invoice(number: int) -> dict[str, Any]:
    """Return an honest invoice: paid, of its customer, at the right price."""
    return {
        "id": f"in_{number}",
        "customer": f"cus_{number}",
        "status": "paid",
        "amount": PRICE,
        "currency": "eur",
        "livemode": True,
    }
