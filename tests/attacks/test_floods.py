"""EV-05: a flood of refusals hides no success, whichever door it comes by, and fills neither memory nor disk."""

import gc
import logging
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pratique import Claim, Fields, Perimeter, Refused, Secret, stores
from pratique.client import Client, Session, SessionCookie
from pratique.core.claim import Via
from pratique.core.deadlines import Limit
from pratique.core.event import Outcome, Record, decode_record
from pratique.core.recorder import KNOWN_A_MINUTE, SAMPLES_A_MINUTE
from pratique.events import JsonLines, SqliteEvents
from pratique.events.sqlite import rows_of
from pratique.webhook import Webhook, providers
from tests.attacks import attempts
from tests.attacks.attempts import FRAMEWORKS, Attempt, attacks, opened
from tests.sink import Kept

FLOOD = int(os.environ.get("PRATIQUE_FLOOD", "600"))
"""Refusals of each boundary; by hand 100,000."""
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ROOMS = ("webhook", "client", "service")
LINE = 600
"""Bytes of the longest line that a sample may be."""
PAGES = 256 << 10
"""Bytes that the rows of one success of each may take in the files of their stores."""
SPARE = 150
"""Live objects that the last 450 requests of a flood, or more, may leave."""


class Amount(msgspec.Struct):
    """What a handler is typed with."""

    amount: int


def before_authentic(room: str) -> list[Attempt]:
    """Return what anybody can send to a boundary, without a secret or a session."""
    small = [each for each in attacks() if each.room == room and len(each.content) < 1 << 12]
    chosen = {
        "webhook": ("WH-01", "WH-03", "WH-04", "WH-08", "two signatures"),
        "client": ("CL-01 nobody", "an unknown session"),
        "service": ("SV-01", "SV-04", "SV-05", "SV-13 of another"),
    }[room]
    return [each for each in small if each.title.startswith(chosen)]


def on_disk(folder: Path) -> int:
    """Return the bytes of every file below."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pytest keep no line of Django's or httpx's log: they would be the flood's objects."""
    for name in ("django.request", "httpx"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_success_amid_a_flood_of_refusals_is_told(tmp_path: Path, framework: str) -> None:
    """EV-05: one success of each boundary stands in the sink after a flood; each refusal is counted (CWE-778, CWE-770)."""
    path = tmp_path / "events.jsonl"
    sink = JsonLines(path)
    honest = {each.room: each for each in attempts.honest()}
    with opened(tmp_path, framework, sink) as rooms:
        stood, told = on_disk(tmp_path), {}
        for name in ROOMS:
            _flood(rooms[name], name, FLOOD // 2)
            assert rooms[name].send(honest[name]).status == 200
            told[name] = rooms[name].kept.records[-1].crossing_id
        for name in ROOMS:  # what a door makes once, and lets go of a success, isn't the flood's
            _flood(rooms[name], name, FLOOD // 4)
        objects = _objects()
        for name in ROOMS:
            _flood(rooms[name], name, FLOOD - FLOOD // 2 - FLOOD // 4)
        left = _objects() - objects
        sink.close()
        kept = [decode_record(line) for line in path.read_bytes().splitlines()]
        grown, written = on_disk(tmp_path) - stood, path.stat().st_size
        for name in ROOMS:
            own = rooms[name].perimeter.tally.counts.items()
            assert sum(count for label, count in own if label[2] == "refused") == FLOOD
    for crossing_id in told.values():
        found = JsonLines(path).find(crossing_id)
        assert found is not None
        assert found.outcome is Outcome.PROVEN
    most = len(ROOMS) * (_minutes(kept) * SAMPLES_A_MINUTE + 1)
    assert len(kept) <= most
    assert written <= most * LINE
    assert grown - written <= PAGES
    assert left <= SPARE
    print(
        f"{framework}: {FLOOD * 3} refusals, {len(kept)} records, {written} B of events, "
        f"{grown - written} B in stores, {left} objects"
    )


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_flood_of_one_genuine_delivery_is_bounded(
    tmp_path: Path, framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EV-05: who holds one can send it for ever: its success stays told, and its repeats fill nothing (CWE-770)."""
    monkeypatch.setattr("pratique.core.recorder.REPEATS_A_MINUTE", 20)
    sink = SqliteEvents(tmp_path / "events.db", max_rows=40)
    (genuine,) = (each for each in attempts.honest() if each.room == "webhook")
    with opened(tmp_path, framework, sink) as rooms:
        answers = [rooms["webhook"].client.request(
            genuine.method, genuine.path, headers=list(genuine.fields), content=genuine.content
        ) for _ in range(60)]  # fmt: skip
        found = sink.find(answers[0].headers["crossing-id"])
        counts = rooms["webhook"].perimeter.tally.counts.items()
    sink.close()
    assert {answer.status_code for answer in answers} == {200}
    assert found is not None
    assert found.outcome is Outcome.PROVEN
    assert {label[2]: count for label, count in counts} == {"proven": 1, "duplicate": 59}
    outcomes = [decode_record(line).outcome for line in rows_of(tmp_path / "events.db")]
    assert outcomes == [Outcome.PROVEN] + [Outcome.DUPLICATE] * 20


def test_what_is_proven_is_told_each_time(tmp_path: Path) -> None:
    """EV-05: the twin: no sampling where somebody is known: as many records as successes."""
    sink = JsonLines(tmp_path / "events.jsonl")
    with opened(tmp_path, "flask", sink) as rooms:
        for _ in range(SAMPLES_A_MINUTE * 2):
            rooms["service"].send(attempts.calls("honest"))
        sink.close()
    lines = (tmp_path / "events.jsonl").read_bytes().splitlines()
    assert [decode_record(line).outcome for line in lines] == [Outcome.PROVEN] * len(lines)
    assert len(lines) == SAMPLES_A_MINUTE * 2


def _flood(room: Any, name: str, count: int) -> None:
    for each in islice(cycle(before_authentic(name)), count):
        answer = room.client.request(
            each.method, each.path, headers=list(each.fields), content=each.content
        )
        assert answer.status_code in (400, 401), each.title


def _objects() -> int:
    """Count what lives, aside from limits: those end by themselves with the perimeter's deadline."""
    gc.collect()
    return sum(type(each) is not Limit for each in gc.get_objects())


def _minutes(kept: list[Record]) -> int:
    return len({record.at.replace(second=0, microsecond=0) for record in kept})


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_flood_of_what_an_account_has_signed_fills_no_store(is_async: bool) -> None:
    """EV-05: its refusals are rows of the store, sixty a minute and account; another's has its row (CWE-770)."""
    secret = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
    store = stores.memory()
    perimeter = Perimeter(store=store, clock=lambda: NOW)
    hook = perimeter.declare(Webhook("hook", providers.stripe(secrets=Secret(secret, name="s"))))
    hook.on(
        "paid",
        content=Amount,
        confirm=lambda event: event,
        once=lambda event: event.id,
        link=lambda event: event,
        allow=lambda _event, _row: True,
    )(lambda _admitted: None)

    async def sent(number: int, account: str, amount: str, at: datetime = NOW) -> str:
        said = (
            f'{{"id": "evt_{number}", "type": "paid", "account": "{account}", "amount": {amount}}}'
        )
        content = said.encode()
        claim = Claim(content, providers.stripe.seal(content, secret=secret, at=at), NOW)
        try:
            if is_async:
                await perimeter.aadmit(hook, claim)
            else:
                perimeter.admit(hook, claim)
        except Refused as refused:
            return refused.code
        return ""

    with perimeter:
        codes = {await sent(number, "mallory", '"much"') for number in range(KNOWN_A_MINUTE * 2)}
        rows = len(store.sync.records)
        assert (codes, rows) == ({"bad_content"}, KNOWN_A_MINUTE)
        assert await sent(1000, "alice", '"much"') == "bad_content"
        assert len(store.sync.records) == rows + 1
        assert await sent(1001, "mallory", "1") == ""
        assert sum(perimeter.tally.counts.values()) == KNOWN_A_MINUTE * 2 + 2
        captured = {await sent(2, "", "1", NOW - HOUR) for _ in range(KNOWN_A_MINUTE * 2)}
        rows = len(store.sync.records)
        assert captured == {"stale"}
        assert [await sent(2000 + n, "", '"much"') for n in range(9)] == ["bad_content"] * 9
        assert len(store.sync.records) == rows + 9


def test_a_flood_of_one_accounts_refusals_hides_no_other_account() -> None:
    """EV-05: of a client sixty a minute are told; another's refusal is too, and what is proven always is."""
    kept, allowed = Kept(), set[str]()
    known = {sha256(name.encode() * 32).hexdigest(): name for name in ("m", "a")}
    perimeter = Perimeter(events=kept, clock=lambda: NOW)
    identity = SessionCookie(
        "session", lambda digest: Session(known[digest], NOW, NOW), origins=["https://shop.example"]
    )
    shop = perimeter.declare(
        Client(
            "shop",
            identity=identity,
            user=lambda subject: subject,
            policy=lambda user, *_: user in allowed,
        )
    )
    read = shop.action("profile.read")

    def told(name: str) -> int:
        fields = Fields([("Cookie", f"session={name * 32}")])
        with suppress(Refused):
            perimeter.carry(shop, Claim(b"", fields, NOW, Via(method="GET")), read.flow)
        return len(kept.records)

    with perimeter:
        assert [told("m") for _ in range(KNOWN_A_MINUTE + 1)][-2:] == [KNOWN_A_MINUTE] * 2
        assert told("a") == KNOWN_A_MINUTE + 1
        allowed.add("m")
        assert told("m") == KNOWN_A_MINUTE + 2
