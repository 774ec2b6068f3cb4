"""Laws of the client and the service boundary: whatever is sent is proven or refused, and by both drivers alike."""

import asyncio
import json
import traceback
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from threading import Event
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pratique import Perimeter
from pratique.client import BearerToken, Client, Session, SessionCookie
from pratique.core.acting import Acting
from pratique.core.claim import Claim, Fields, Via
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused
from pratique.service import ANYBODY, Issuer, Minter, Service, TransactionToken, mtls
from tests.service.orders import GATEWAY, NOON, TOKENS, Peer
from tests.service.test_minters import signed
from tests.sink import Kept
from tests.tokens import AT, mint, policy

DIGEST = sha256(b"c" * 32).hexdigest()
COOKIE, SITE = "session=" + "c" * 32, "https://shop.example"
HONEST: dict[str, tuple[tuple[str, str], ...]] = {
    "client": (("Cookie", COOKIE), ("Origin", SITE), ("Content-Type", "application/json")),
    "service": (("Txn-Token", signed(TOKENS)), ("Content-Type", "application/json")),
}
CONTENT = b'{"note": "n"}'
NAMES = st.one_of(
    st.sampled_from(
        ["Cookie", "cookie", "Origin", "Sec-Fetch-Site", "Content-Type", "Txn-Token", "X-User-Id"]
    ),
    st.text("aX-_.é\0 ", max_size=8),
)
VALUES = st.one_of(
    st.sampled_from([COOKIE, SITE, "null", "application/json", "", signed(TOKENS, sub="staff:9")]),
    st.text(max_size=30),
    st.sampled_from(["\ud800", "\xa0" + COOKIE, f"{COOKIE}; {COOKIE}", "a.b.c", ".." * 9000]),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        st.text(max_size=20),
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=3),
        st.dictionaries(st.sampled_from(["note", "owner_id", "\0", "ñ", "note "]), inside),
    ),
    max_leaves=8,
)
KEYS = st.one_of(st.text(max_size=12), st.sampled_from(["10", "20", "010", "../10", "1" * 5000]))


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str


def calls(**changes: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return callables that answer as they should, and some that don't."""
    own = {"customer:1": {"10"}, "customer:2": {"20"}}
    honest: dict[str, Callable[..., Any]] = {
        "load": lambda digest: Session("customer:1", NOON, NOON) if digest == DIGEST else None,
        "user": lambda subject: subject if subject in own else None,
        "find": lambda user, key: (user, key) if key in own[user] else None,
        "policy": lambda user, verb, thing: verb == "note",
        "revoked": lambda claims: False,
    }
    return {**honest, **changes}


def boundary(kind: str, told: dict[str, Callable[..., Any]]) -> Acting:
    """Return a boundary of a kind."""
    if kind == "client":
        return Client(
            kind,
            identity=SessionCookie("session", told["load"], origins=[SITE]),
            user=told["user"],
            policy=told["policy"],
        )
    if kind == "bearer":
        identity = BearerToken(policy("EdDSA"), revoked=told["revoked"], cache=TokenCache())
        return Client(kind, identity=identity, user=lambda _: "customer:1", policy=told["policy"])
    minter = Minter(
        issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"order.read"}, subjects="customer:"
    )
    return Service(
        kind,
        caller=Peer({GATEWAY: frozenset({"order.read"})}),
        context=TransactionToken("shop.example", minters=[minter]),
        user=told["user"],
        policy=told["policy"],
    )


class Asked:
    """One boundary with one action, asked by both drivers."""

    def __init__(self, kind: str, *, deadline: Any = None, **changes: Any) -> None:
        told = calls(**changes)
        self.kind, self.kept = kind, Kept()
        at = AT if kind == "bearer" else NOON
        self.at = at
        self.perimeter = Perimeter(events=self.kept, clock=lambda: at, deadline=deadline)
        self.boundary = self.perimeter.declare(boundary(kind, told))
        self.action = self.boundary.action(
            "order.read", verb="note", find=told["find"], read_key=lambda text: text, content=Note
        )

    def ask(
        self,
        fields: Any = None,
        content: bytes = CONTENT,
        key: str = "10",
        *,
        is_async: bool = False,
        peer: str = GATEWAY,
    ) -> Any:
        """Return (Proven or Refused, what it is)."""
        lines = honest_fields(self.kind) if fields is None else fields

        async def work() -> Proven[Any]:
            async with self.perimeter:
                return await self.perimeter.acarry(
                    self.boundary, claim, lambda crossing: self.action.flow(crossing, key=key)
                )

        try:
            claim = Claim(content, Fields(lines), self.at, Via(peer=peer, method="POST"))
            if is_async:
                return asyncio.run(work())
            with self.perimeter:
                return self.perimeter.carry(
                    self.boundary, claim, lambda crossing: self.action.flow(crossing, key=key)
                )
        except Refused as refused:
            return refused


def honest_fields(kind: str) -> tuple[tuple[str, str], ...]:
    """Return the fields of an honest request."""
    if kind == "bearer":
        bearer = f"Bearer {mint('EdDSA')}"
        return (("Authorization", bearer), ("Content-Type", "application/json"))
    return HONEST[kind]


def outcome(told: Any) -> tuple[Any, ...]:
    """Return what came out, to be compared."""
    if isinstance(told, Refused):
        return "refused", told.obligation, told.code, told.status
    assert isinstance(told, Proven)
    return "proven", told.value.object, told.value.content


@pytest.mark.parametrize("kind", ["client", "service"])
@given(
    more=st.lists(st.tuples(NAMES, VALUES), max_size=3),
    drop=st.sets(st.integers(0, 2), max_size=1),
    content=st.one_of(
        st.just(CONTENT), st.binary(max_size=30), JSON.map(lambda v: json.dumps(v).encode())
    ),
    key=st.one_of(st.just("10"), KEYS),
)
@settings(max_examples=150, deadline=None)
@example(more=[], drop=set(), content=CONTENT, key="10")
@example(more=[], drop=set(), content=b'{"note": ' + b"[" * 9000, key="10")
def test_whatever_is_sent_is_proven_or_refused(
    kind: str, more: list[tuple[str, str]], drop: set[int], content: bytes, key: str
) -> None:
    """Law 1: any fields, content and key; drive and adrive agree; what is proven is the honest user's own."""
    kept = [line for place, line in enumerate(HONEST[kind]) if place not in drop]
    told = [Asked(kind).ask([*kept, *more], content, key, is_async=a) for a in (False, True)]
    assert outcome(told[0]) == outcome(told[1])
    if outcome(told[0])[0] == "proven":
        assert told[0].value.object == ("customer:1", "10")
        assert isinstance(told[0].value.content.note, str)
    if (more, drop, content, key) == ([], set(), CONTENT, "10"):
        assert outcome(told[0])[0] == "proven"


ROLES = [
    (kind, role)
    for kind, roles in {
        "client": ("load", "user", "find", "policy"),
        "service": ("user", "find", "policy"),
        "bearer": ("revoked",),
    }.items()
    for role in roles
]
every_call = pytest.mark.parametrize(("kind", "role"), ROLES, ids="-".join)
both = pytest.mark.parametrize("is_async", [False, True], ids=["drive", "adrive"])


def answering(call: Callable[..., Any], real: Callable[..., Any], *, is_async: bool) -> Any:
    """Return a callable that does something before it answers as the real one."""

    async def later(*arguments: Any) -> Any:
        await asyncio.to_thread(call)
        return real(*arguments)

    def now(*arguments: Any) -> Any:
        call()
        return real(*arguments)

    return later if is_async else now


@both
@every_call
@pytest.mark.parametrize(
    "error",
    [ValueError, KeyError, RecursionError, MemoryError, StopIteration, TimeoutError, BoundaryError],
)
def test_a_call_that_raises_refuses(
    kind: str, role: str, is_async: bool, error: type[Exception]
) -> None:
    """Law 2: whichever it is; for now, not for good; its text goes nowhere. The same call that answers lets it in."""
    raises = [True]

    def maybe() -> None:
        if raises:
            raise error("CANARY")

    asked = Asked(kind, **{role: answering(maybe, calls()[role], is_async=False)})
    refused = asked.ask(is_async=is_async)
    assert (outcome(refused)[0], refused.code, refused.status) == ("refused", "internal", 503)
    assert "CANARY" not in f"{refused} {refused.problem()} {asked.kept.records!r}"
    raises.clear()
    assert outcome(asked.ask(is_async=is_async))[0] == "proven"


@pytest.mark.parametrize("way", ["sync by drive", "sync by adrive", "async by adrive"])
@every_call
def test_a_call_that_hangs_refuses_in_time(kind: str, role: str, way: str) -> None:
    """Law 2: on a thread of its own or on the loop, within the deadline; once it answers it is let in."""
    end, hangs = Event(), [True]

    def wait() -> None:
        if hangs:
            end.wait(3)

    call = answering(wait, calls()[role], is_async=way.startswith("async"))
    asked = Asked(kind, deadline=timedelta(milliseconds=150), **{role: call})
    refused = asked.ask(is_async=way.endswith("adrive"))
    end.set()
    hangs.clear()
    assert outcome(refused)[2:] == ("deadline", 503)
    patient = Asked(kind, deadline=timedelta(seconds=20), **{role: call})
    assert outcome(patient.ask(is_async=way.endswith("adrive")))[0] == "proven"


@both
@every_call
@pytest.mark.parametrize("told", [None, False, 1, "yes", object(), [], {}, ()])
def test_what_is_no_answer_is_no_yes(kind: str, role: str, is_async: bool, told: Any) -> None:
    """Law 1: nothing, emptiness, or what is only truthy; where any row may be one, it is that very row and none that was asked for."""
    answer = Asked(kind, **{role: lambda *_: told}).ask(is_async=is_async)
    may_be_a_row = role in ("user", "find") and bool(told)
    if role == "revoked" and told is False:
        assert outcome(answer)[0] == "proven"
    elif role == "find" and may_be_a_row:
        assert outcome(answer)[1] is told
    else:
        assert outcome(answer)[0] == "refused"


MARKS = st.text("ghjkmnpqrstuvwxyz", min_size=22, max_size=40)


@given(MARKS, MARKS, st.sampled_from(["client", "service", "bearer"]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_secret_and_no_name_stands_in_any_text(
    secret: str, name: str, kind: str, is_async: bool
) -> None:
    """Law 5, EV-02: neither token nor cookie nor subject, in refusal, traceback of ours, problem or event, whoever refuses."""
    subject = f"customer:{name}"
    fields: dict[str, list[tuple[str, str]]] = {
        "client": [("Cookie", f"session={secret}"), ("Origin", SITE)],
        "service": [("Txn-Token", signed(TOKENS, sub=subject, txn=secret))],
        "bearer": [("Authorization", f"Bearer {mint('EdDSA', claims={'sub': subject})}")],
    }
    json_field = ("Content-Type", "application/json")
    load = lambda _: Session(subject, NOON, NOON)  # noqa: E731
    for changes in (
        {"load": load},
        {"load": lambda _: None},
        {"load": load, "user": lambda s: s, "find": lambda *_: None, "policy": lambda *_: False},
        {"load": load, "user": lambda s: {}[s], "revoked": lambda claims: {}[claims.subject]},
    ):
        asked = Asked(kind, **changes)
        told = asked.ask([*fields[kind], json_field], is_async=is_async)
        texts = repr(asked.kept.records)
        if isinstance(told, Refused):
            texts += f"{told} {told.detail} {told.hint} {told.problem()}"
            texts += "".join(traceback.format_exception_only(told))
        else:
            texts += f"{told!r} {told}"
        sent = [part for _, value in fields[kind] for part in value.split(".") if part != SITE]
        assert [text for text in (secret, name, *sent) if text in texts and len(text) > 20] == []


@pytest.mark.parametrize(
    "empty",
    [
        lambda: SessionCookie("session", lambda _: None, origins=[]),
        lambda: SessionCookie("", lambda _: None, origins=[SITE]),
        lambda: SessionCookie("s", lambda _: None, origins=[SITE], idle=timedelta(0)),
        lambda: TransactionToken("shop.example", minters=[]),
        lambda: TransactionToken("", minters=[Minter(issuer="i", keys=TOKENS.jwks(), scopes={"a"}, subjects=ANYBODY)]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="i", keys=TOKENS.jwks(), scopes=set(), subjects=ANYBODY)]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="i", keys=TOKENS.jwks(), scopes={"a"}, subjects="")]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="", keys=TOKENS.jwks(), scopes={"a"}, subjects=ANYBODY)]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="i", keys={"keys": []}, scopes={"a"}, subjects=ANYBODY)]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="i", keys=TOKENS.jwks(), scopes={"a"}, subjects=ANYBODY, algorithms=())]),
        lambda: TransactionToken("shop.example", minters=[Minter(issuer="i", keys=TOKENS.jwks(), scopes={"a"}, subjects=ANYBODY)], bound_claim=""),
        lambda: mtls("shop.example", allow={}),
        lambda: mtls("", allow={GATEWAY: ()}),
        lambda: Issuer("", trust_domain="shop.example", seed=bytes(range(32)), key_name="k"),
        lambda: Issuer("i", trust_domain="shop.example", seed=bytes(32), key_name="k"),
        lambda: TOKENS.mint("", scope=["a"], caller=GATEWAY, at=NOON),
        lambda: TOKENS.mint("u", scope=[], caller=GATEWAY, at=NOON),
        lambda: TOKENS.mint("u", scope=["a"], caller="", at=NOON),
        lambda: TOKENS.mint("u", scope=[""], caller=GATEWAY, at=NOON),
        lambda: TOKENS.mint("u", scope=["a b"], caller=GATEWAY, at=NOON),
    ],
)  # fmt: skip
def test_empty_is_never_unset(empty: Callable[[], Any]) -> None:
    """Law 1: an empty declaration is a mistake that is said at the start, never a way in; the whole ones start."""
    with pytest.raises(BoundaryError):
        empty()
    for kind in ("client", "service", "bearer"):
        assert Asked(kind).perimeter.debts() == []
