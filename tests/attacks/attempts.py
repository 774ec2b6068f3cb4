"""One table of attacks on the boundaries that face inwards, and a site of each framework to send it to."""

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from pratique import Perimeter
from pratique.core.recorder import Label
from pratique.service import Issuer
from tests import django_site
from tests.attacks.door import app_of, django_app_of, flask_app_of, starlette_app_of
from tests.client import doors as client_doors
from tests.client.shop import ORIGIN, TOKENS
from tests.client.shop import Shop as ClientShop
from tests.service.backend import Backend
from tests.service.orders import NOON, STAFF
from tests.service.orders import TOKENS as GATEWAY_TOKENS
from tests.service.test_minters import signed
from tests.serving import served
from tests.shop import NOW, URL, delivery, plain_sqlite3
from tests.sink import Kept

WEBHOOK_APPS = {
    "fastapi": app_of,
    "starlette": starlette_app_of,
    "flask": flask_app_of,
    "django": django_app_of,
}
FRAMEWORKS = list(WEBHOOK_APPS)
NOT_COMPARED = ("crossing-id", "content-length", "connection")
"""Of each answer's own, or of a connection, of which PEP 3333 lets no application speak."""
Lines = tuple[tuple[Any, Any], ...]
JSON = ("content-type", "application/json")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request: its id and title, for which boundary, and what is sent."""

    title: str
    room: str
    method: str
    path: str
    fields: Lines = ()
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of it: how it was counted, and all that the sender is told."""

    counted: tuple[Label, ...]
    status: int
    content: bytes
    fields: tuple[tuple[str, str], ...]


class Room:
    """One guarded application and what it has recorded."""

    def __init__(self, client: httpx.Client, perimeter: Perimeter, kept: Kept) -> None:
        self.client, self.perimeter, self.kept = client, perimeter, kept

    def send(self, attempt: Attempt) -> Verdict:
        """Send one, and say what came of it."""
        before = dict(self.perimeter.tally.counts)
        answer = self.client.request(
            attempt.method, attempt.path, headers=list(attempt.fields), content=attempt.content
        )
        counts = self.perimeter.tally.counts
        moved = [label for label in counts for _ in range(counts[label] - before.get(label, 0))]
        fields = sorted((k, v) for k, v in answer.headers.items() if k not in NOT_COMPARED)
        return Verdict(tuple(moved), answer.status_code, answer.content, tuple(fields))


@contextmanager
def opened(folder: Path, framework: str, *sinks: Any) -> Iterator[dict[str, Room]]:
    """Give the webhook's, the client's and the service's application of one framework."""
    django_site.configure()  # a store of any kind looks whether Django's settings say something
    with ExitStack() as stack:
        kept = [Kept() for _ in range(3)]
        payments = plain_sqlite3(folder / "payments.db", events=[kept[0], *sinks])
        sites: list[tuple[str, Any, Any]] = [
            ("webhook", WEBHOOK_APPS[framework](payments), payments.perimeter)
        ]
        door = getattr(client_doors, framework)
        shop = ClientShop(folder, is_async=False, door=door, events=[kept[1], *sinks])
        backend = Backend(folder, is_async=False, door=framework, events=[kept[2], *sinks])
        for name, made in (("client", shop), ("service", backend)):
            sites.append((name, made.app, made.perimeter))
            stack.callback(made.engine.dispose)
        yield {
            name: Room(stack.enter_context(served(app)), perimeter, own)
            for (name, app, perimeter), own in zip(sites, kept, strict=True)
        }


def hook(title: str, content: bytes, fields: Any) -> Attempt:
    """Return a delivery."""
    return Attempt(title, "webhook", "POST", URL, tuple(fields), content)


def asks(
    title: str, method: str, path: str, *fields: Any, who: str = "bob", **more: Any
) -> Attempt:
    """Return a client's request; with "" for who, nobody's."""
    own: Any = [("cookie", f"session={TOKENS.get(who, who)}")] if who else []
    lines = (("origin", ORIGIN), JSON, *own, *fields)
    if "json" in more:
        more["content"] = json.dumps(more.pop("json")).encode()
    return Attempt(title, "client", method, path, lines, **more)


def token(issuer: Issuer = GATEWAY_TOKENS, **changes: Any) -> str:
    """Return a token for reading and noting order 10."""
    said = {"scope": "order.read order.note", **changes}
    return signed(issuer, said.pop("head", None), **said)


def calls(title: str, *fields: Any, path: str = "/orders/10", **changes: Any) -> Attempt:
    """Return a caller's request with a token in which something is changed."""
    own = (("txn-token", token(**changes)),)
    return Attempt(title, "service", "GET", path, (*own, *fields))


def honest() -> list[Attempt]:
    """Return one for each boundary that is admitted."""
    return [
        hook("honest", *delivery("evt_honest")),
        asks("honest", "GET", "/orders/20"),
        calls("honest"),
    ]


def attacks() -> list[Attempt]:
    """Return every attempt that is refused, the service's by tokens that are signed here."""
    return [*_deliveries(), *_requests(), *_calls()]


def _deliveries() -> list[Attempt]:
    content, [(name, value)] = delivery()
    old = delivery(at=NOW - timedelta(days=1))[1][0][1]
    stamp = f"t={int(NOW.timestamp())}"
    late = ",".join([stamp, *["v1=" + "0" * 64] * 40, value.split(",")[1]])
    return [
        hook("WH-01 no signature", content, []),
        hook("WH-02 an empty one", content, [(name, "")]),
        hook("WH-03 a wrong secret", *delivery(secret="whsec_of_somebody_else_1")),
        hook("WH-04 a changed byte", content.replace(b"evt_1", b"evt_2"), [(name, value)]),
        hook("WH-05 serialised again", json.dumps(json.loads(content), indent=1).encode(), [(name, value)]),
        hook("WH-07 the secret None", *delivery(secret="None")),
        hook("WH-08 the legacy scheme", content, [(name, value.replace("v1=", "v0="))]),
        hook("WH-09 a search", content, [(name, late)]),
        hook("WH-10 stale", *delivery(at=NOW - timedelta(seconds=301))),
        hook("WH-11 from the future", *delivery(at=NOW + timedelta(seconds=301))),
        hook("WH-12 a new time", content, [(name, f"{stamp},{old.split(',')[1]}")]),
        hook("WH-13 no time", content, [(name, value.replace(stamp, "t=1e400"))]),
        hook("WH-17 a strange id", *delivery("x" * 10_000)),
        hook("WH-20 unknown there", *delivery("evt_20", invoice="in_9")),
        hook("WH-25 another mode", *delivery("evt_25", livemode=False)),
        hook("WH-26 undeclared", *delivery("evt_26", kind="invoice.created")),
        hook("WH-27 compressed", gzip.compress(content), [(name, value)]),
        hook("WH-28 too large", b"x" * (3 << 20), [(name, value)]),
        hook("two signatures", content, [(name, value), (name, value)]),
        hook("a signature in bytes", content, [(name.encode(), b"t=1,v1=\xff\x00")]),
        hook("a name that is none", content, [(b"x y", b"1"), (name.encode(), value.encode())]),
    ]  # fmt: skip


def _requests() -> list[Attempt]:
    order = "/orders/20"
    return [
        asks("CL-01 another's", "GET", "/orders/10"),
        asks("CL-01 absent", "GET", "/orders/999"),
        asks("CL-01 nobody's", "GET", order, who=""),
        asks("CL-02 written", "PATCH", "/orders/10", json={"note": "x"}),
        asks("CL-04 an owner", "PATCH", order, json={"owner_id": 1}),
        asks("CL-05 a role", "PATCH", order, json={"note": "x", "role": "admin"}),
        asks("CL-07 a price", "PATCH", order, json={"price": 1}),
        asks("CL-08 below zero", "PATCH", order, json={"quantity": -1}),
        asks("CL-08 no number", "PATCH", order, content=b'{"quantity": NaN}'),
        asks("CL-09 a state", "PATCH", order, json={"state": "paid"}),
        asks("CL-10 an admin's", "GET", "/admin/orders"),
        asks("CL-10 by a role that is said", "GET", "/admin/orders", ("x-user-role", "admin")),
        asks("CL-16 another spelling", "GET", "/orders/020"),
        asks("CL-16 a list", "GET", "/orders/10,20"),
        asks("a name twice", "PATCH", order, content=b'{"note": "a", "note": "b"}'),
        asks("no JSON", "PATCH", order, content=b"\xff"),
        asks("nothing", "PATCH", order),
        asks("too large", "PATCH", order, content=b"x" * (3 << 20)),
        asks("an unknown session", "GET", "/me", who="x" * 32),
        asks("two sessions", "GET", "/me", who=f"{TOKENS['ann']}; session={TOKENS['bob']}"),
        asks("another site", "PATCH", order, ("sec-fetch-site", "cross-site"), json={"note": "x"}),
    ]


def _calls() -> list[Attempt]:
    now, other = int(NOON.timestamp()), GATEWAY_TOKENS.name
    impostor = Issuer(other, trust_domain="shop.example", seed=bytes(range(7, 39)), key_name="k1")
    mine = token()
    bare = ("service", "GET", "/orders/10")
    return [
        Attempt("SV-01 no token", *bare),
        Attempt("SV-16 as a bearer's", *bare, (("authorization", f"Bearer {mine}"),)),
        Attempt("SV-17 two lines", *bare, (("txn-token", mine), ("txn-token", mine))),
        Attempt("SV-17 two in one", *bare, (("txn-token", f"{mine}, {mine}"),)),
        calls("SV-02 a role in a field", ("X-User-Role", "admin")),
        calls("SV-18 a user in a field", ("X-User-Id", "customer:1")),
        calls("SV-20 its twin", ("X_User_Id", "customer:1")),
        calls("SV-04 none", head={"alg": "none"}),
        calls("SV-05 an unknown key", issuer=impostor),
        calls("SV-06 HS256", head={"alg": "HS256"}),
        calls("SV-07 its own key", head={"jku": "https://evil.example/jwks"}),
        calls("SV-08 a path", head={"kid": "../../dev/null"}),
        calls("SV-10 expired", exp=now),
        calls("SV-10 never", exp=None),
        calls("SV-11 not yet", nbf=now + 60),
        calls("SV-12 for another", aud="bank.example"),
        calls("SV-13 of another", iss="https://evil.example"),
        calls("SV-13 for another caller", req_wl="spiffe://shop.example/reports"),
        calls("SV-14 another type", head={"typ": "at+jwt"}),
        calls("SV-18 another's order", sub="customer:2"),
        calls("SV-19 an unknown user", sub="customer:77"),
        calls("SV-26 whom it may not name", sub="staff:9"),
        calls("for another object", path="/orders/20"),
        calls("for another action", scope="order.note"),
        calls("of the wrong minter", issuer=STAFF),
    ]
