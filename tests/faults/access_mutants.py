"""Take each proof of the client and service boundaries away, or put a no-op in its place: it must not start, or an attack must succeed.

Run: python -m tests.faults.access_mutants
"""

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import msgspec
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import StaticPool

from pratique import Perimeter, Refused
from pratique.client import Client, SessionCookie, identity
from pratique.client import Session as Login
from pratique.client.ownership import OwnedRows
from pratique.core import writable
from pratique.core.acting import Acting
from pratique.core.action import Action
from pratique.core.claim import Claim, Fields, Via
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic import jwt
from pratique.service import Caller, Minter, Service, TransactionToken, boundary
from tests.faults.noticed import NoOps, Row, deletion, report, with_no_ops, without
from tests.service.orders import GATEWAY, NOON, REPORTS, STAFF, TOKENS, Peer
from tests.service.test_minters import signed
from tests.sink import Kept

SITE = "https://shop.example"
HOUR = timedelta(hours=1)
JSON = ("Content-Type", "application/json")
COOKIES = {name: name[0] * 32 for name in ("ann", "bob", "nobody", "suspended", "late", "old")}


class Base(DeclarativeBase): ...


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="open")


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""


class User(msgspec.Struct):
    id: str | None
    is_suspended: bool = False


USERS = {
    "ann": User("ann"),
    "bob": User("bob"),
    "nobody": User(None),
    "suspended": User("ann", is_suspended=True),
    "late": User("ann"),
    "old": User("ann"),
}
ROWS = {10: ("ann", "open"), 11: ("ann", "shipped"), 20: ("bob", "open"), 30: (None, "open")}


def load(digest: str) -> Login | None:
    """Find a session."""
    for name, token in COOKIES.items():
        if sha256(token.encode()).hexdigest() == digest:
            began = NOON - 13 * HOUR if name == "old" else NOON
            return Login(name, began, NOON - 2 * HOUR if name == "late" else NOON)
    return None


def user(subject: str) -> User | None:
    """Load a user as it is now."""
    found = USERS.get(subject)
    return None if found is None or found.is_suspended else found


def may(_: User, verb: str, order: Order | None) -> bool:
    """Say what a user may do."""
    return verb != "purge" and (order is None or order.state == "open")


class World:
    """A shop for clients and for services, over rows in memory."""

    def __init__(self, **swapped: Any) -> None:
        asked = {"load": load, "user": user, "policy": may, **swapped}
        engine = create_engine("sqlite://", poolclass=StaticPool)
        Base.metadata.create_all(engine)
        self.db = Session(engine)
        self.db.add_all([Order(id=k, owner_id=o, state=s) for k, (o, s) in ROWS.items()])
        self.db.commit()
        self.perimeter = Perimeter(events=Kept(), clock=lambda: NOON, deadline=None)
        cookie = SessionCookie("session", asked["load"], origins=[SITE])
        self.shop = self._declare(
            Client("shop", identity=cookie, user=asked["user"], policy=asked["policy"])
        )
        granted = {
            GATEWAY: frozenset({"order.read", "order.note", "purge"}),
            REPORTS: frozenset({"purge"}),
        }
        minters = [
            Minter(issuer=i.name, keys=i.jwks(), scopes=scopes, subjects=subjects)
            for i, scopes, subjects in (
                (TOKENS, {"order.read", "order.note", "purge"}, "an-"),
                (STAFF, {"order.note"}, "staff:"),
            )
        ]
        self.service = self._declare(
            Service(
                "orders",
                caller=Peer(granted),
                context=TransactionToken("shop.example", minters=minters),
                user=lambda subject: asked["user"](subject.removeprefix("an-")),
                policy=asked["policy"],
            )
        )

    def _declare(self, made: Any) -> dict[str, Action]:
        acting: Acting = self.perimeter.declare(made)
        rows = OwnedRows(Order.owner_id, by=lambda who: who.id)
        named: dict[str, Any] = {"find": rows.find, "read_key": rows.read_key}
        return {
            "read": acting.action("order.read", verb="read", **named),
            "note": acting.action("order.note", verb="note", content=Note, **named),
            "purge": acting.action("purge"),
        }

    def ask(
        self,
        asked: Action,
        *lines: tuple[str, str],
        key: str = "10",
        content: bytes = b"",
        method: str = "GET",
        peer: str = GATEWAY,
    ) -> Any:
        """Ask once."""
        claim = Claim(content, Fields(lines), NOON, Via(method=method, peer=peer))
        return self.perimeter.carry(
            asked.boundary, claim, lambda crossing: asked.flow(crossing, key=key, session=self.db)
        )

    def client(
        self, verb: str = "read", who: str = "ann", *lines: tuple[str, str], **more: Any
    ) -> Any:
        """Ask as a client."""
        cookie = ("Cookie", f"session={COOKIES.get(who, who)}")
        return self.ask(self.shop[verb], cookie, *lines, **more)

    def called(
        self,
        verb: str = "read",
        *lines: tuple[str, str],
        token: dict[str, Any] | None = None,
        **more: Any,
    ) -> Any:
        """Ask as a service."""
        said = {"sub": "an-ann", "scope": "order.read order.note purge", **(token or {})}
        text = signed(said.pop("issuer", TOKENS), said.pop("head", None), **said)
        return self.ask(self.service[verb], ("Txn-Token", text), *lines, **more)


def _write(content: bytes = b'{"note": "n"}', **more: Any) -> Callable[[World], Any]:
    origin = ("Origin", more.pop("origin", SITE))
    told = {"content": content, "method": "PATCH", **more}
    return lambda w: w.client("note", "ann", origin, JSON, **told)


now = int(NOON.timestamp())
ATTACKS: dict[str, Callable[[World], Any]] = {
    "CL-01 bob's order": lambda w: w.client(key="20"),
    "CL-01 nobody's order": lambda w: w.client("read", "nobody", key="30"),
    "CL-04 two sessions": lambda w: w.client("read", f"{'b' * 32}; session={'a' * 32}"),
    "CL-06 a field of ours": _write(b'{"note": "n", "state": "paid"}'),
    "CL-06 a member twice": _write(b'{"note": "n", "note": "m"}'),
    "CL-08 no text": _write(b'{"note": -1}'),
    "CL-09 a shipped order": lambda w: w.client(key="11"),
    "CL-10 an admin's action": lambda w: w.client("purge"),
    "CL-16 another spelling": lambda w: w.client(key="010"),
    "an unknown session": lambda w: w.client("read", "x" * 32),
    "a session that is unused": lambda w: w.client("read", "late"),
    "a session that is old": lambda w: w.client("read", "old"),
    "another site": _write(origin="https://evil.example"),
    "a suspended user": lambda w: w.client("read", "suspended"),
    "content that nobody wants": lambda w: w.client(content=b"{}"),
    "SV-01 no certificate": lambda w: w.called(peer="10.0.0.7", token={"req_wl": "10.0.0.7"}),
    "SV-02 a role in a field": lambda w: w.called("read", ("X-User-Role", "admin")),
    "SV-13 a caller without the action": lambda w: w.called(peer=REPORTS, token={"req_wl": REPORTS}),
    "another caller's token": lambda w: w.called(token={"req_wl": REPORTS}),
    "a token for another action": lambda w: w.called(token={"scope": "purge"}),
    "a token for another object": lambda w: w.called(token={"tctx": {"object": "20"}}),
    "SV-10 an expired token": lambda w: w.called(token={"exp": now}),
    "SV-12 another audience": lambda w: w.called(token={"aud": "bank.example"}),
    "SV-26 a user of another minter": lambda w: w.called(token={"sub": "ann"}),
    "SV-18 bob's order": lambda w: w.called(key="20", token={"tctx": {"object": "20"}}),
    "SV-05 another key": lambda w: w.called(token={"issuer": STAFF, "iss": TOKENS.name, "head": {"kid": "k1"}}),
}  # fmt: skip
HONEST: dict[str, Callable[[World], Any]] = {
    "reads": lambda w: w.client(),
    "writes": _write(),
    "is called": lambda w: w.called(),
    "is called to write": lambda w: w.called("note", JSON, content=b'{"note": "n"}', method="PATCH"),
}  # fmt: skip


def attack(**swapped: Any) -> list[str]:
    """Run every attack; return the names of those that came through."""
    world = World(**swapped)
    with world.perimeter:
        for run in HONEST.values():
            run(world)
        return [name for name, run in ATTACKS.items() if _comes_through(run, world)]


def _comes_through(run: Callable[[World], Any], world: World) -> bool:
    try:
        run(world)
    except Refused:
        return False
    finally:
        world.db.rollback()
    return True


def _start(*patches: Any) -> None:
    with ExitStack() as stack:
        for each in patches:
            stack.enter_context(each)
        with World().perimeter:
            return


def deleted() -> list[Row]:
    """Delete each proof; say what the start says."""
    rows = [deletion("nothing", _start)]
    for kind in (Client, Service):
        for obligation in sorted(kind.owes):
            declared = without(kind.declaration_of, obligation)
            away = patch.object(kind, "declaration_of", declared)
            rows.append(deletion(f"{kind.kind} {obligation}", partial(_start, away)))
    return rows


def _last(fields: Fields, name: str) -> str | None:
    pairs = [p.strip().partition("=") for line in fields.all("Cookie") for p in line.split(";")]
    return next((value for key, _, value in reversed(pairs) if key == name), None)


def _any_row(self: OwnedRows, _: object, key: object) -> Any:
    return select(self.model).where(self._key == key)


def _null_row(self: OwnedRows, who: Any, key: object) -> Any:
    return select(self.model).where(self._key == key, self.owner == self._by(who))


def _loose(self: writable.Content[Any], content: bytes, _: Fields) -> Any:
    return msgspec.json.decode(content)


def _anybody(self: Peer, claim: Claim) -> Caller:
    return Caller(claim.via.peer, self.scopes.get(claim.via.peer, self.scopes[GATEWAY]))


def _everything(self: Peer, claim: Claim) -> Caller:
    if claim.via.peer not in self.scopes:
        raise Refused(AUTHENTIC, "no certificate", code="no_certificate")
    return Caller(claim.via.peer, frozenset({"order.read", "order.note", "purge"}))


_FLOW = Action.flow


def _without_content(self: Action, crossing: Any, **more: Any) -> Any:
    if self.content is None:
        crossing.claim = msgspec.structs.replace(crossing.claim, content=b"")
    return _FLOW(self, crossing, **more)


def mutants() -> NoOps:
    """Return each proof with an attack that it stops, and the no-op for its place."""
    nothing: Any = lambda *_, **__: None  # noqa: E731
    yes: Any = lambda *_, **__: True  # noqa: E731
    own = patch.object(OwnedRows, "_own", lambda self, row, *_: row)
    key: Any = lambda self, text: int(text)  # noqa: E731
    return {
        "among one's own": ("CL-01 bob's order", [patch.object(OwnedRows, "_statement", _any_row), own], {}),
        "nobody owns nothing": ("CL-01 nobody's order", [patch.object(OwnedRows, "_statement", _null_row)], {}),
        "one spelling of a key": ("CL-16 another spelling", [patch.object(OwnedRows, "read_key", key)], {}),
        "one session": ("CL-04 two sessions", [patch.object(identity, "cookie", _last)], {}),
        "the session's row": ("an unknown session", [], {"load": lambda _: Login("ann", NOON, NOON)}),
        "the session's age": ("a session that is old", [patch.object(SessionCookie, "_require_young", nothing)], {}),
        "the session's use": ("a session that is unused", [patch.object(SessionCookie, "_require_young", nothing)], {}),
        "the origin": ("another site", [patch.object(identity, "require_same_site", nothing)], {}),
        "the user of now": ("a suspended user", [], {"user": USERS.get}),
        "the policy": ("CL-10 an admin's action", [], {"policy": yes}),
        "the state of now": ("CL-09 a shipped order", [], {"policy": lambda _, verb, order: verb != "purge"}),
        "declared fields": ("CL-06 a field of ours", [patch.object(writable.Content, "read", _loose)], {}),
        "declared types": ("CL-08 no text", [patch.object(writable.Content, "read", _loose)], {}),
        "one member of a name": ("CL-06 a member twice", [patch.object(writable, "members", lambda _: 1), patch.object(writable, "count", lambda _: 1)], {}),
        "no content": ("content that nobody wants", [patch.object(Action, "flow", _without_content)], {}),
        "who calls": ("SV-01 no certificate", [patch.object(Peer, "prove", _anybody)], {}),
        "what it may": ("SV-13 a caller without the action", [patch.object(Peer, "prove", _everything)], {}),
        "no unsigned user": ("SV-02 a role in a field", [patch.object(boundary, "refuse_unsigned", nothing)], {}),
        "bound to the caller": ("another caller's token", [patch.object(TransactionToken, "_require_bound", nothing)], {}),
        "bound to the action": ("a token for another action", [patch.object(TransactionToken, "_require_bound", nothing)], {}),
        "bound to the object": ("a token for another object", [patch.object(TransactionToken, "_require_bound", nothing)], {}),
        "the minter's users": ("SV-26 a user of another minter", [patch.object(Minter, "may_name", yes)], {}),
        "the token's dates": ("SV-10 an expired token", [patch.object(jwt.TokenPolicy, "_require_dates", nothing)], {}),
        "the token's parties": ("SV-12 another audience", [patch.object(jwt.TokenPolicy, "_require_parties", nothing)], {}),
        "the token's signature": ("SV-05 another key", [patch("pratique.core.proofs.authentic.key.Key.verifier", lambda *_: yes)], {}),
        "the service's own rows": ("SV-18 bob's order", [patch.object(OwnedRows, "_statement", _any_row), own], {}),
    }  # fmt: skip


def replaced() -> list[Row]:
    """Replace each proof by a no-op; say which attacks come through."""
    return with_no_ops(mutants(), attack)


if __name__ == "__main__":
    raise SystemExit(report(deleted() + replaced()))
