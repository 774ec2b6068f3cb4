"""EV-01 to EV-04: what is written down of an attack, what isn't, and a boundary with a check less."""

import json
import logging
import sqlite3
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pratique import Perimeter, stores
from pratique.client import Client, SessionCookie
from pratique.core.recorder import SAMPLES_A_MINUTE, LoggerSink
from pratique.core.refusal import BoundaryError, Refused
from pratique.events import JsonLines
from pratique.service import Minter, Service, TransactionToken
from pratique.webhook import Webhook, providers
from tests import django_site
from tests.attacks import attempts
from tests.attacks.attempts import FRAMEWORKS, WEBHOOK_APPS, asks, attacks, calls, hook, opened
from tests.client.shop import ORIGIN, may
from tests.service.backend import Certificate
from tests.service.orders import TOKENS
from tests.serving import served
from tests.shop import SECRET, URL, Invoice, Shop, delivery

CANARY = "cAnArY7f3a9c51e2d4b6f8a0c1e3d5"
FORGED = "x\r\n2026-11-26 pratique proven everything\x1b[2J\x1b]0;owned\x07\x00\x85\u2028"
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS)


@every_framework
def test_each_refused_attack_leaves_one_event(tmp_path: Path, framework: str) -> None:
    """EV-01: one count each, with boundary and failed proof; one record each, before `authentic` the first ten a minute (CWE-778)."""
    with opened(tmp_path, framework) as rooms:
        sampled = dict.fromkeys(rooms, 0)
        for attempt in attacks():
            room = rooms[attempt.room]
            before = len(room.kept.records)
            ((name, kind, outcome, obligation, code),) = room.send(attempt).counted
            assert all((name, kind, obligation, code)), attempt.title
            written = room.kept.records[before:]
            if not written:  # anybody can send it: counted, and no longer written
                assert sampled[attempt.room] == SAMPLES_A_MINUTE, attempt.title
                continue
            (record,) = written
            assert (record.boundary, record.kind, record.outcome) == (name, kind, outcome)
            assert (record.obligation, record.code) == (obligation, code)
            assert obligation not in record.proofs
            sampled[attempt.room] += "authentic" not in record.proofs
        for name, room in rooms.items():
            sent = sum(attempt.room == name for attempt in attacks())
            assert sum(room.perimeter.tally.counts.values()) == sent


@every_framework
def test_what_crosses_leaves_one_event_too(tmp_path: Path, framework: str) -> None:
    """EV-01: the twin: one count and one record, which says proven and names no failed proof."""
    with opened(tmp_path, framework) as rooms:
        for attempt in attempts.honest():
            room = rooms[attempt.room]
            ((_, _, outcome, obligation, code),) = room.send(attempt).counted
            (record,) = room.kept.records
            assert (outcome, obligation, code, record.outcome) == ("proven", "", "", "proven")
            assert "authentic" in record.proofs


def laden(canary: str) -> list[Any]:
    """Return requests that bear a text wherever a secret or a claim may stand, none of them honest."""
    content, [(name, value)] = delivery(canary, invoice=canary, metadata={canary: canary})
    stamp = value.split(",")[0]
    return [
        hook("a signature", content, [(name, f"{stamp},v1={canary}")]),
        hook("a time", content, [(name, f"t={canary},v1=00")]),
        hook("a body", content, [(name, value), ("x-api-key", canary)]),
        hook("a type", *delivery("evt_c", kind=canary, api_key=canary)),
        hook("no id", *delivery(canary * 40)),
        hook("no JSON", *delivery(content=b'{"' + canary.encode() + b'": ')),
        hook("a value", content, [(name, value), ("x-secret", f"{canary}\n")]),
        asks("a session", "GET", "/me", who=canary),
        asks("two", "GET", "/me", who=f"{canary}; session={canary}"),
        asks("a field", "GET", "/orders/10", ("authorization", f"Bearer {canary}")),
        asks("a name", "PATCH", "/orders/20", json={canary: canary}),
        asks("a value", "PATCH", "/orders/20", json={"quantity": canary}),
        asks("too long", "PATCH", "/orders/20", json={"note": canary * 9}),
        asks("no JSON", "PATCH", "/orders/20", content=canary.encode()),
        asks("a site", "PATCH", "/orders/20", ("origin", f"https://{canary}.example"), json={}),
        calls("a role", ("x-user-role", canary)),
        calls("a name", (f"x-user-{canary}", "1")),
        calls("a subject", sub=f"customer:{canary}"),
        calls("a scope", scope=canary),
        calls("a context", tctx={"object": canary, canary: canary}),
        calls("an issuer", iss=canary),
        calls("an audience", aud=canary),
        calls("a key", head={"kid": canary}),
        calls("a type", head={"typ": canary}),
        calls("a date", exp=canary),
        attempts.Attempt("no token", "service", "GET", "/orders/10", (("txn-token", canary),)),
    ]


@every_framework
def test_no_secret_is_in_what_is_written_or_told(
    tmp_path: Path,
    framework: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """EV-02: in no log, event, answer, traceback or repr; its twin is found where its owner put it (CWE-532)."""
    raised: list[Refused] = []
    make: Callable[..., None] = Refused.__init__

    def noted(self: Refused, *args: Any, **named: Any) -> None:
        make(self, *args, **named)
        raised.append(self)

    monkeypatch.setattr(Refused, "__init__", noted)
    caplog.set_level(logging.INFO)
    caplog.set_level(logging.DEBUG, "pratique")
    lines = JsonLines(tmp_path / "events.jsonl")
    told: list[str] = []
    with opened(tmp_path, framework, lines, LoggerSink()) as rooms:
        for attempt in laden(CANARY):
            verdict = rooms[attempt.room].send(attempt)
            assert verdict.counted, attempt.title
            told.append(repr(verdict))
        told += [repr(vars(room.kept)) for room in rooms.values()]
        note = {"note": CANARY}
        assert rooms["client"].send(asks("own", "PATCH", "/orders/20", json=note)).status == 200
        shown = rooms["client"].send(asks("own", "GET", "/orders/20"))
    lines.close()
    for refused in raised:
        told += [str(refused), repr(refused), repr(vars(refused)), repr(refused.problem())]
        told += traceback.format_exception(refused)
    told += [
        (tmp_path / "events.jsonl").read_text(encoding="utf-8"),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert raised
    assert [text for text in told if CANARY in text] == []
    assert CANARY in shown.content.decode()


@every_framework
def test_a_claim_is_one_line_of_a_log(
    tmp_path: Path, framework: str, caplog: pytest.LogCaptureFixture
) -> None:
    """EV-03: line ends and terminal escapes in a claim make no second event, in a file or in a log (CWE-117)."""
    caplog.set_level(logging.INFO, "pratique")
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path)
    with opened(tmp_path, framework, sink, LoggerSink()) as rooms:
        for attempt in [*_writing(FORGED), *attempts.honest()]:
            assert len(rooms[attempt.room].send(attempt).counted) == 1, attempt.title
        kept = [record for room in rooms.values() for record in room.kept.records]
    sink.close()
    written = path.read_bytes().splitlines()
    own = [each for each in caplog.records if each.name == "pratique"]
    logged = [each.getMessage() for each in own if each.module == "recorder"]
    assert sorted(json.loads(line)["crossing_id"] for line in written) == sorted(
        record.crossing_id for record in kept
    )
    assert len(logged) == len(kept)
    assert [each for each in own if not each.getMessage().isprintable()] == []
    assert [line for line in written if not line.decode().isprintable()] == []
    assert "everything" not in "".join(logged)
    assert sum(" proven " in text for text in logged) == len(attempts.honest())


def _writing(text: str) -> list[Any]:
    """Return requests that write a text wherever a claim can hold one, few enough that each is kept."""
    content, [(name, value)] = delivery(text, invoice=text, metadata={text: text})
    in_a_field = text.encode("ascii", "ignore")
    return [
        hook("a body", content, [(name, value)]),
        hook("a type", *delivery("evt_c", kind=text)),
        hook("an object", *delivery("evt_d", invoice=text)),
        hook("a value", content, [(name.encode(), in_a_field)]),
        hook("a name", content, [(name.encode(), value.encode()), (in_a_field, b"1")]),
        asks("a name", "PATCH", "/orders/20", json={text: 1}),
        asks("a value", "PATCH", "/orders/20", json={"quantity": text}),
        asks("a path", "GET", "/orders/x%0d%0apratique%20proven%1b%5b2J"),
        calls("a subject", sub=f"customer:{text}"),
        calls("a scope", scope=text),
        calls("a context", tctx={"object": text}),
        calls("a key", head={"kid": text}),
    ]


def _webhook(folder: Path, *, secret: str = SECRET, **changed: Any) -> Shop:
    checks: dict[str, Any] = {
        "content": Invoice,
        "confirm": lambda event: None,
        "once": lambda invoice: invoice.id,
        "link": lambda invoice, db: None,
        "allow": lambda invoice, row: True,
    }
    store = changed.pop("store", stores.sqlite3(lambda: sqlite3.connect(folder / "shop.db")))
    perimeter = Perimeter(store)
    boundary = Webhook("payments", providers.stripe(secrets=secret, livemode=True))
    given = {name: value for name, value in {**checks, **changed}.items() if value is not None}
    boundary.on("invoice.paid", **given)(lambda paid, db: None)
    made: Any = perimeter.declare(boundary)
    return Shop(perimeter, made, None, list, lambda _: None, [])  # type: ignore[arg-type]


MUTATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "confirm": ({"confirm": None}, "CONFIRMED"),
    "once": ({"once": None}, "UNIQUE"),
    "link": ({"link": None}, "LINKED"),
    "allow": ({"allow": None}, "ALLOWED"),
    "store": ({"store": None}, "store"),
    "secret": ({"secret": ""}, "Secret"),
}


@every_framework
@pytest.mark.parametrize("check", MUTATIONS)
def test_a_boundary_without_one_check_does_not_start(
    tmp_path: Path, framework: str, check: str
) -> None:
    """EV-04: whichever is taken away, nothing is served; with all of them it starts (CWE-636)."""
    django_site.configure()
    changed, word = MUTATIONS[check]
    with (
        pytest.raises(BoundaryError, match=word),
        served(WEBHOOK_APPS[framework](_webhook(tmp_path, **changed))) as client,
    ):
        client.post(URL)
    with served(WEBHOOK_APPS[framework](_webhook(tmp_path))) as client:
        assert client.post(URL).status_code == 401


def _client(**changed: Any) -> Any:
    return lambda: Client(
        "shop",
        identity=SessionCookie("session", lambda digest: None, origins=changed.get("origins", [ORIGIN])),
        user=changed.get("user", lambda subject: None),
        policy=changed.get("policy", may),
    )  # fmt: skip


def _service(**changed: Any) -> Any:
    granted = {"gateway": frozenset({"order.read"})}
    minter = Minter(
        issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"order.read"}, subjects="customer:"
    )
    return lambda: Service(
        "orders",
        caller=Certificate(["gateway"], granted),
        context=TransactionToken("shop.example", minters=changed.get("minters", [minter])),
        user=changed.get("user", lambda subject: None),
        policy=changed.get("policy", may),
    )


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (_client(user=None), "user"),
        (_client(policy=None), "policy"),
        (_client(origins=[]), "origins"),
        (_service(user=None), "user"),
        (_service(policy=None), "policy"),
        (_service(minters=[]), "minter"),
    ],
)
def test_a_boundary_of_callers_without_one_check_does_not_start(make: Any, word: str) -> None:
    """EV-04: the same of clients and services, whose perimeter is every door's (CWE-636)."""
    with pytest.raises(BoundaryError, match=word):
        _start(make)


def test_a_boundary_of_callers_with_every_check_starts() -> None:
    """EV-04: the twin."""
    _start(_client())
    _start(_service())


def _start(make: Any) -> None:
    perimeter = Perimeter(deadline=None)
    perimeter.declare(make()).action("order.read")
    perimeter.start()
    perimeter.close()
