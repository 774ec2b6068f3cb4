"""Each record is an event of OCSF 1.8, whatever its kind and outcome, by two schemas of other people's making."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from typer.testing import CliRunner

from pratique.cli.commands import app
from pratique.core.event import Outcome, Record, encode_record
from pratique.core.obligation import Obligation
from pratique.core.recorder import SAMPLES_A_MINUTE
from pratique.events.gap import gap_record
from pratique.events.ocsf import FAILED_CLOSED, ocsf_event
from pratique.events.ocsf_storm import Storms
from tests.vector_files import find

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
KINDS = "webhook service client partner fetch forwarded".split()
CLASSES = {6003: "api_activity", 4002: "http_activity", 2004: "detection_finding"}
WORDS = tuple(each.value for each in Obligation)
COMPILED = find("ocsf/ocsf-1.8-crossing.schema.json")
compiled = pytest.mark.skipif(
    COMPILED is None, reason="no ocsf/ocsf-1.8-crossing.schema.json: PRATIQUE_VECTORS names none"
)


@cache
def validator(class_uid: int) -> Draft202012Validator:
    """Return what judges events of one class, by the schema that OCSF has published."""
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema("1.8.0"))
    return Draft202012Validator(schema.get_class_schema(CLASSES[class_uid], ["security_control"]))


@cache
def compiled_validator() -> Draft202012Validator:
    """Return what judges inbound and outbound crossings, by the schema among the vectors."""
    assert COMPILED is not None
    return Draft202012Validator(json.loads(COMPILED.read_text(encoding="utf-8")))


def wrong(event: dict[str, Any]) -> list[str]:
    """Return what the schema has against an event."""
    return [error.message for error in validator(event["class_uid"]).iter_errors(event)]


def record(kind: str, outcome: Outcome, **more: Any) -> Record:
    """Return a record of one kind and outcome."""
    return Record(f"c-{kind}-{outcome}", AT, "payments", kind, outcome, **more)


def every_record() -> Iterator[Record]:
    """Yield one of each kind and outcome, bare and full, and of each obligation that can fail."""
    for kind in KINDS:
        for outcome in Outcome:
            yield record(kind, outcome)
            for place, word in enumerate(WORDS):
                yield record(
                    kind,
                    outcome,
                    declaration="GET /score" if kind == "partner" else "invoice.paid",
                    obligation=word,
                    code="stale",
                    detail="timestamp is 912 s old",
                    hint="compare clocks",
                    key="a" * 32,
                    secret="main",
                    proofs=WORDS[:place],
                    error="KeyError in shop.py:7",
                    within="c-0",
                    incident="INC-7",
                    marks=("address:" + "a" * 24, "subject:" + "b" * 24),
                )
    yield gap_record(7, at=AT)


def test_every_record_is_an_event_of_ocsf() -> None:
    """Kinds × outcomes × obligations, by the schema that OCSF has published."""
    bad = {each.crossing_id: found for each in every_record() if (found := wrong(ocsf_event(each)))}
    assert bad == {}


@compiled
def test_every_record_is_an_event_by_a_second_schema() -> None:
    """The schema among the vectors says the same."""
    judge = compiled_validator()
    assert [each for each in every_record() if not judge.is_valid(ocsf_event(each))] == []


@compiled
def test_the_second_schema_judges_the_samples_as_labelled() -> None:
    """Four crossings are events, a broken one is none: the oracle isn't blind."""
    judge, ran = compiled_validator(), 0
    for name in ("allowed", "refused", "fetch_refused", "store_down", "broken"):
        path = find(f"ocsf/{name}.json")
        assert path is not None
        sample = json.loads(path.read_text(encoding="utf-8"))
        assert judge.is_valid(sample) is (name != "broken"), name
        ran += 1
    print(f"ran {ran} samples of OCSF")


@pytest.mark.parametrize(
    "mutation",
    [
        {"type_uid": 1},
        {"severity_id": 42},
        {"bogus": 1},
        {"disposition_id": 28},
        {"metadata": {}},
        {"authorizations": [{"bogus": 1}]},
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "fetch"])
def test_a_broken_event_is_found(kind: str, mutation: dict[str, Any]) -> None:
    """The schema bites; its twin passes."""
    event = ocsf_event(record(kind, Outcome.REFUSED, obligation="allowed", code="not_allowed"))
    assert wrong(event) == []
    assert wrong(event | mutation) != []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (record("webhook", Outcome.PROVEN, proofs=WORDS), (6003, 1, 1, 1, False)),
        (record("client", Outcome.REFUSED, obligation="authentic"), (6003, 2, 2, 2, False)),
        (
            record("client", Outcome.REFUSED, obligation="linked", proofs=("authentic",)),
            (6003, 2, 26, 3, True),
        ),
        (record("fetch", Outcome.REFUSED, obligation="allowed"), (4002, 2, 2, 2, False)),
        (
            record("webhook", Outcome.REFUSED, obligation="unique", code="store_unavailable"),
            (6003, 2, 27, 4, True),
        ),
        (record("partner", Outcome.WOULD_REFUSE), (4002, 3, 15, 2, False)),
        (record("webhook", Outcome.DUPLICATE), (6003, 2, 6, 1, False)),
        (record("webhook", Outcome.UNKNOWN), (6003, 1, 27, 4, True)),
    ],
)
def test_says_class_action_disposition_and_alarm(made: Record, said: tuple[Any, ...]) -> None:
    """What a SIEM's rules look at: a store that is down is no attack, a stranger's refusal no alarm."""
    event = ocsf_event(made)
    names = ("class_uid", "action_id", "disposition_id", "severity_id", "is_alert")
    assert tuple(event[name] for name in names) == said


def test_tells_each_proof_with_its_result() -> None:
    """The failed one stands last, once."""
    made = record("webhook", Outcome.REFUSED, obligation="unique", proofs=("authentic", "fresh"))
    told = [(a["policy"]["name"], a["decision"]) for a in ocsf_event(made)["authorizations"]]
    assert told == [("authentic", "proven"), ("fresh", "proven"), ("unique", "refused")]


def test_a_code_that_fails_closed_is_one_that_there_is() -> None:
    """A code that is renamed would silently become an attack in the eyes of a SIEM."""
    page = Path(__file__).parents[2] / "docs/reference/refusals.md"
    headings = page.read_text(encoding="utf-8")
    assert [code for code in FAILED_CLOSED if f"\n### {code}\n" not in headings] == []


def refusals(count: int, *, boundary: str = "payments", at: datetime = AT) -> list[Record]:
    """Return refusals, a second apart."""
    return [
        Record(f"c-{n}", at + timedelta(seconds=n), boundary, "webhook", Outcome.REFUSED)
        for n in range(count)
    ]


def found(records: list[Record]) -> list[dict[str, Any]]:
    """Return the findings of a stream."""
    watch = Storms()
    return [one for each in records for one in watch.see(each)] + list(watch.rest())


def test_ten_refusals_in_a_minute_are_a_finding() -> None:
    """One a boundary and minute, an event of OCSF too; nine are none, nor ten over two minutes."""
    (storm,) = found(refusals(30))
    assert wrong(storm) == []
    assert (storm["class_uid"], storm["is_alert"]) == (2004, True)
    assert len(storm["finding_info"]["related_events"]) == SAMPLES_A_MINUTE
    assert storm["end_time"] - storm["start_time"] == 29_000
    assert wrong(storm | {"finding_info": {}}) != []
    assert found(refusals(SAMPLES_A_MINUTE - 1)) == []
    assert found(refusals(5) + refusals(5, at=AT + timedelta(minutes=1))) == []
    both = refusals(10) + refusals(10, boundary="orders") + refusals(10, at=AT + timedelta(hours=1))
    assert len(found(both)) == 3


def test_exports_a_file(tmp_path: Path) -> None:
    """A line an event, findings too; what is no record is told, and ends with 1."""
    path, out = tmp_path / "events.jsonl", tmp_path / "ocsf.jsonl"
    path.write_bytes(b"".join(encode_record(each) + b"\n" for each in refusals(12)))
    done = CliRunner().invoke(app, ["events", "export", str(path), "--format", "ocsf"])
    assert done.exit_code == 0
    lines = [msgspec.json.decode(line) for line in done.stdout.splitlines()]
    assert [line["class_uid"] for line in lines] == [6003] * 12 + [2004]
    assert [wrong(line) for line in lines if wrong(line)] == []
    with path.open("ab") as file:
        file.write(b'\n{"torn": ')
    again = CliRunner().invoke(app, ["events", "export", str(path), "--out", str(out)])
    assert again.exit_code == 1
    assert "1 line is no record, and was left out: 14" in again.stderr
    assert out.read_text(encoding="utf-8") == done.stdout


@pytest.mark.parametrize("more", [["--format", "cef"], ["--out", "/no/such/folder/x"]])
def test_says_what_cannot_be_exported(tmp_path: Path, more: list[str]) -> None:
    """A slip is told in a sentence; so is a file that isn't there."""
    path = tmp_path / "events.jsonl"
    assert CliRunner().invoke(app, ["events", "export", str(path)]).exit_code == 2
    path.touch()
    assert CliRunner().invoke(app, ["events", "export", str(path)]).exit_code == 0
    assert CliRunner().invoke(app, ["events", "export", str(path), *more]).exit_code == 2
