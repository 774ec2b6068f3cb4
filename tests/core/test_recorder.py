"""Where records go: counted always, kept in the sinks, sampled before `authentic`."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from pratique.core.event import Outcome, Record
from pratique.core.recorder import (
    FIRST_OF_A_KIND,
    KNOWN_A_MINUTE,
    RECENT,
    REPEATS_A_MINUTE,
    SAMPLES_A_MINUTE,
    Recorder,
)
from pratique.core.threads import Tally

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Kept:
    """A sink in a list; it may be told to fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.records: list[Record] = []
        self.error = error

    def emit(self, record: Record) -> None:
        if self.error is not None:
            raise self.error
        self.records.append(record)

    def find(self, crossing_id: str) -> Record | None:
        return next((r for r in self.records if r.crossing_id == crossing_id), None)

    def close(self) -> None:
        self.records.clear()


def record(
    number: int, outcome: Outcome = Outcome.REFUSED, boundary: str = "b", at: datetime = NOW
) -> Record:
    """Return one record."""
    return Record(f"c{number}", at, boundary, "webhook", outcome)


def test_a_flood_of_strangers_is_counted_and_sampled() -> None:
    """EV-01: ten a minute and boundary reach the sinks; the counter has them all."""
    tally, kept = Tally(), Kept()
    recorder = Recorder([kept], count=tally.add)
    for number in range(1000):
        recorder.emit(record(number), sample=True)
    assert len(kept.records) == SAMPLES_A_MINUTE
    assert sum(tally.counts.values()) == 1000
    recorder.emit(record(1000, boundary="other"), sample=True)
    recorder.emit(record(1001, at=NOW + timedelta(minutes=1)), sample=True)
    assert len(kept.records) == SAMPLES_A_MINUTE + 2


@pytest.mark.parametrize("outcome", [Outcome.DUPLICATE, Outcome.IGNORED, Outcome.LATER])
def test_a_flood_of_what_changes_nothing_is_bounded_too(outcome: Outcome) -> None:
    """EV-05: one genuine claim sent again and again pushes nothing out; successes and dead letters are all told."""
    tally, kept = Tally(), Kept()
    recorder = Recorder([kept], count=tally.add)
    for number in range(REPEATS_A_MINUTE * 2):
        recorder.emit(record(number, outcome), sample=False)
    assert len(kept.records) == REPEATS_A_MINUTE
    assert sum(tally.counts.values()) == REPEATS_A_MINUTE * 2
    for known in (Outcome.PROVEN, Outcome.MISMATCH, Outcome.EFFECT_FAILED, Outcome.UNKNOWN):
        kept.records.clear()
        for number in range(REPEATS_A_MINUTE * 2):
            recorder.emit(record(number, known), sample=False)
        assert len(kept.records) == REPEATS_A_MINUTE * 2


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.WOULD_REFUSE])
def test_a_flood_of_one_account_is_bounded_and_takes_no_others_place(outcome: Outcome) -> None:
    """EV-05: the first sixty refusals of each principal a minute are told, all are counted (CWE-770)."""
    tally, kept = Tally(), Kept()
    recorder = Recorder([kept], count=tally.add)
    told = [
        recorder.emit(record(n, outcome), sample=False, principal="mallory")
        for n in range(KNOWN_A_MINUTE * 5)
    ]
    assert told == [True] * KNOWN_A_MINUTE + [False] * KNOWN_A_MINUTE * 4
    assert [each.crossing_id for each in kept.records] == [f"c{n}" for n in range(KNOWN_A_MINUTE)]
    assert sum(tally.counts.values()) == KNOWN_A_MINUTE * 5
    assert recorder.emit(record(1, outcome), sample=False, principal="alice")
    assert recorder.emit(record(2, outcome), sample=False, principal=[])
    later = record(3, outcome, at=NOW + timedelta(minutes=1))
    assert recorder.emit(later, sample=False, principal="mallory")
    assert not recorder.emit(record(4, outcome), sample=False, principal="mallory")


@pytest.mark.parametrize("field", ["declaration", "code", "obligation"])
def test_a_flood_of_ones_own_hides_no_other_try(field: str) -> None:
    """CWE-778: after sixty of one kind, the first of another action or code are told all the same, and no more of them."""
    kept = Kept()
    recorder = Recorder([kept], count=Tally().add)

    def told(*, other: bool) -> bool:
        shown = replace(record(1), **{field: "other"}) if other else record(1)
        return recorder.emit(shown, sample=False, principal="mallory")

    assert sum(told(other=False) for _ in range(KNOWN_A_MINUTE * 2)) == KNOWN_A_MINUTE
    assert sum(told(other=True) for _ in range(KNOWN_A_MINUTE * 2)) == FIRST_OF_A_KIND
    assert not told(other=False)
    assert recorder.emit(record(1), sample=False, principal="alice")


def test_records_of_another_minute_begin_no_count_anew() -> None:
    """A kept delivery is as of its receipt: two minutes by turns are two counts, and none is reset."""
    kept = Kept()
    recorder = Recorder([kept], count=Tally().add)
    for number in range(100):
        recorder.emit(record(number), sample=True)
        recorder.emit(record(number, at=NOW - timedelta(hours=1)), sample=True)
    assert len(kept.records) == 2 * SAMPLES_A_MINUTE


def test_whoever_listens_hears_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test hears what the sample leaves out; without a listener nothing is kept of it."""
    heard: list[Record] = []
    monkeypatch.setattr(Recorder, "heard", [heard.append])
    recorder = Recorder([], count=Tally().add)
    for number in range(SAMPLES_A_MINUTE + 5):
        recorder.emit(record(number), sample=True)
    assert len(heard) == SAMPLES_A_MINUTE + 5
    monkeypatch.setattr(Recorder, "heard", [])
    recorder.emit(record(99), sample=True)
    assert len(heard) == SAMPLES_A_MINUTE + 5


def test_a_flood_does_not_push_out_the_attackers_own_success() -> None:
    """EV-05: what was admitted before a flood of refusals is still told after it."""
    recorder = Recorder([], count=Tally().add)
    recorder.emit(record(0, Outcome.PROVEN), sample=False)
    for number in range(1, 10_000):
        recorder.emit(record(number), sample=True)
    found = recorder.find("c0")
    assert found is not None
    assert found.outcome is Outcome.PROVEN


def test_what_is_remembered_is_bounded() -> None:
    """A sink tells of what memory has let go."""
    kept = Kept()
    for sinks, found in (([], False), ([kept], True)):
        recorder = Recorder(sinks, count=Tally().add)
        for number in range(RECENT + 1):
            recorder.emit(record(number, Outcome.PROVEN), sample=False)
        assert (recorder.find("c0") is not None) is found


def test_a_sink_that_fails_is_counted_and_hides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A full disk turns no proven claim into an error; the other sink has the record."""
    broken, kept = Kept(OSError("full: secret-text")), Kept()
    recorder = Recorder([broken, kept], count=Tally().add)
    with caplog.at_level(logging.ERROR, "pratique"):
        recorder.emit(record(0, Outcome.PROVEN), sample=False)
    assert recorder.dropped == {"Kept": 1}
    assert len(kept.records) == 1
    assert "secret-text" not in caplog.text
    recorder.close()
    assert kept.records == []
