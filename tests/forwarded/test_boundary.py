"""The boundary as it is declared: what it owes, what it rests on, what it records."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Perimeter, unsafe
from pratique.core.checklist import blast_radius, ten_questions
from pratique.core.claim import Claim, Fields, Via
from pratique.core.event import Outcome
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused
from pratique.forwarded import Forwarded, Origin, ProxyPolicy
from tests.sink import Kept

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CLIENT = "93.184.216.34"
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8", "unix:"),
    header="x-forwarded-for",
    hosts=("api.example.com",),
    edge_fields=("cf-ipcountry",),
)


def started(sink: Kept, **other: Any) -> tuple[Perimeter, Forwarded]:
    """Return a perimeter with one forwarded boundary."""
    perimeter = Perimeter(events=sink, clock=lambda: NOW, deadline=None)
    edge = perimeter.declare(Forwarded("edge", POLICY, **other))
    perimeter.start()
    return perimeter, edge


def claim(*lines: tuple[str, str], peer: str = "10.0.0.1", host: str = "api.example.com") -> Claim:
    """Return the claim of a request."""
    return Claim(b"", Fields([("Host", host), *lines]), NOW, Via(peer=peer, scheme="http"))


FOR = ("X-Forwarded-For", CLIENT)


def test_an_origin_crosses_with_its_proofs() -> None:
    """Minted by a crossing, like everything proven."""
    _, edge = started(Kept())
    crossed = edge.cross(claim(FOR))
    assert crossed is not None
    proven = crossed.proven
    assert isinstance(proven, Proven)
    assert proven.value == Origin(CLIENT, "http", "api.example.com")
    assert [proof.obligation for proof in proven.proofs] == ["authentic", "allowed", "valid"]


def test_what_is_judged_has_a_duration_and_what_repeats_it_has_none() -> None:
    """Proven, refused, and where it only observes; a repetition is counted, and costs no clock."""
    perimeter, edge = started(Kept())
    crossed = edge.cross(claim(FOR))
    assert crossed is not None
    edge.cross_again(crossed, NOW)
    with pytest.raises(Refused):
        edge.cross(claim(FOR, host="evil.example"))
    seen = perimeter.measures.crossings
    assert {labels: sum(spread[:-1]) for labels, spread in seen.items()} == {
        ("edge", "proven"): 1, ("edge", "refused"): 1,
    }  # fmt: skip
    assert perimeter.tally.counts["edge", "forwarded", "proven", "", ""] == 2
    observe = unsafe.observe(until=NOW.date() + timedelta(days=5), reason="new", owner="edge")
    perimeter, edge = started(Kept(), observe=observe)
    assert edge.cross(claim(FOR)) is None
    assert edge.cross(claim(FOR, host="evil.example")) is None
    assert set(perimeter.measures.crossings) == {("edge", "would_admit"), ("edge", "would_refuse")}


def test_what_crosses_is_counted_and_not_recorded() -> None:
    """A record of each request would be the access log once more."""
    sink = Kept()
    perimeter, edge = started(sink)
    edge.cross(claim(FOR))
    assert sink.records == []
    assert perimeter.tally.counts == {("edge", "forwarded", "proven", "", ""): 1}


def test_each_is_recorded_where_that_is_declared() -> None:
    """The twin: record="every"."""
    sink = Kept()
    _, edge = started(sink, record="every")
    for _ in range(20):
        edge.cross(claim(FOR))
    assert [record.outcome for record in sink.records] == [Outcome.PROVEN] * 20
    with pytest.raises(BoundaryError, match="record"):
        Forwarded("edge", POLICY, record="none")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_refusal_is_recorded_and_a_flood_of_them_sampled() -> None:
    """Anybody can send one through the proxy: at most ten a minute reach the sinks."""
    sink = Kept()
    perimeter, edge = started(sink)
    for _ in range(50):
        with pytest.raises(Refused) as refused:
            edge.cross(claim(FOR, host="evil.example"))
        assert (refused.value.status, refused.value.code) == (400, "host_not_allowed")
    assert len(sink.records) == 10
    label = ("edge", "forwarded", "refused", "allowed", "host_not_allowed")
    assert perimeter.tally.counts == {label: 50}
    assert "evil" not in repr(sink.records)


def test_what_is_stripped_is_recorded_by_names_of_ours() -> None:
    """No text of an attacker's reaches a record: a name of theirs is told by its beginning."""
    sink = Kept()
    perimeter, edge = started(sink)
    edge.cross(claim(FOR, ("X-Real-IP", "1.2.3.4"), ("X-Forwarded-Evil-Text", "x")))
    edge.cross(claim(FOR, ("CF-IPCountry", "CH"), peer="203.0.113.9"))
    edge.cross(claim(FOR, ("CF-IPCountry", "CH")))
    assert [(record.outcome, record.code, record.detail) for record in sink.records] == [
        (Outcome.PROVEN, "stripped", "x-forwarded-*, x-real-ip"),
        (Outcome.PROVEN, "stripped", "cf-ipcountry, x-forwarded-for"),
    ]
    assert perimeter.tally.counts[("edge", "forwarded", "proven", "", "stripped")] == 2
    counted = {each.labels["header"]: each.value for each in edge.samples()}
    assert counted == {"x-forwarded-*": 1, "x-real-ip": 1, "cf-ipcountry": 1, "x-forwarded-for": 1}


def test_nothing_but_a_refusal_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail closed: a mistake of ours refuses."""
    _, edge = started(Kept())
    monkeypatch.setattr("pratique.forwarded.boundary.origin_of", lambda *_, **__: 1 / 0)
    with pytest.raises(Refused) as refused:
        edge.cross(claim(FOR))
    assert refused.value.code == "internal"


def test_nothing_crosses_before_the_start() -> None:
    """As with every boundary."""
    with pytest.raises(BoundaryError, match="hasn't started"):
        Forwarded("edge", POLICY).cross(claim(FOR))


def test_observing_lets_everything_go_on() -> None:
    """It records what it would refuse, and says nothing of the rest."""
    sink = Kept()
    observe = unsafe.observe(
        until=NOW.date() + timedelta(days=9), reason="being introduced", owner="ops"
    )
    _, edge = started(sink, observe=observe)
    assert edge.cross(claim(FOR, host="evil.example")) is None
    assert edge.cross(claim(FOR)) is None
    told = [record.outcome for record in sink.records]
    assert told == [Outcome.WARNED, Outcome.WOULD_REFUSE, Outcome.WOULD_ADMIT]  # it ends in 9 days


def test_a_perimeter_has_one_edge() -> None:
    """Two would say of one request where it comes from."""
    perimeter = Perimeter(deadline=None)
    perimeter.declare(Forwarded("edge", POLICY))
    perimeter.declare(Forwarded("other", POLICY))
    with pytest.raises(BoundaryError, match="Declare one"):
        perimeter.start()


def test_its_roots_are_networks_and_their_owners_invent_a_client() -> None:
    """The root is the range, not "the proxy": whoever is in it can say who the client is."""
    radius = dict(blast_radius(Forwarded("edge", POLICY)))
    assert "invent" in radius["net:10.0.0.0/8"]
    assert "invent" in radius["net:unix:"]


def test_the_ten_questions_are_answered() -> None:
    """The eighth is this boundary's own: which fields are believed, and from whom."""
    answers = {answer.number: answer.text for answer in ten_questions(Forwarded("edge", POLICY))}
    assert answers[8] == (
        "cf-ipcountry, x-forwarded-for, from 10.0.0.0/8, unix:; every other one is stripped"
    )
    assert "api.example.com" in answers[7]
    nobody = Forwarded("edge", ProxyPolicy(hosts=("api.example.com",)))
    assert "there is no proxy" in ten_questions(nobody)[7].text


def test_the_log_says_nothing_of_what_crosses(caplog: pytest.LogCaptureFixture) -> None:
    """The default sink writes a line for a refusal."""
    perimeter = Perimeter(clock=lambda: NOW, deadline=None)
    edge = perimeter.declare(Forwarded("edge", POLICY))
    with perimeter, caplog.at_level(logging.INFO, "pratique"):
        edge.cross(claim(FOR))
        assert caplog.text == ""
        with pytest.raises(Refused):
            edge.cross(claim(FOR, host="evil.example"))
        assert "host_not_allowed" in caplog.text
