"""`pratique report` reads a guarded application and writes its report in each form."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from pratique.cli.commands import app
from pratique.events import JsonLines
from pratique.report.tested import Tried
from tests.report.apps import records

SHOP = """
from fastapi import FastAPI
from pratique import Perimeter
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.integrations.fastapi import guard

perimeter = Perimeter()
perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
app = guard(FastAPI(), perimeter)
bare = FastAPI()


@app.get("/orders/{order}")
def order(order: int) -> dict[str, int]:
    return {}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the module `report_shop`, from which the command is run."""
    (tmp_path / "report_shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "report_shop", raising=False)
    return tmp_path


def report(*arguments: str, code: int = 0) -> str:
    """Run the command and return what it says."""
    done = CliRunner().invoke(app, ["report", *arguments])
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("place", ["report_shop:app", "report_shop:perimeter", "report_shop"])
def test_says_what_is_declared(shop: Path, place: str) -> None:
    """By the application, or by its perimeter alone."""
    told = json.loads(report("--app", place, "--format", "json", "--on", "2026-11-26"))
    assert [each["facts"]["name"] for each in told["boundaries"]] == ["previews"]
    assert told["on"] == "2026-11-26"


def test_says_first_what_is_not_guarded(shop: Path) -> None:
    """The naked route, with its place; it stands before every boundary."""
    text = report("--app", "report_shop:app", "--format", "md")
    assert text.index(r"report\_shop.py:13 order") < text.index("Boundary previews")
    run = json.loads(report("--app", "report_shop:app", "--format", "sarif"))["runs"][0]
    assert "naked_route" in {result["ruleId"] for result in run["results"]}


def test_reads_the_log_and_the_results(shop: Path) -> None:
    """Unguarded egress comes from the log; results that are no results are told."""
    sink = JsonLines("events.jsonl")
    for record in records():
        sink.emit(record)
    sink.close()
    report("--app", "report_shop:app", "--events", "events.jsonl", "--out", "report.html")
    assert "urllib3 connects outside" in (shop / "report.html").read_text(encoding="utf-8")
    (shop / "tested.json").write_text("{}")
    told = report("--app", "report_shop:app", "--tested", "tested.json", code=2)
    assert "tested.json" in told


@pytest.mark.parametrize("place", ["report_shop:bare", "report_shop:nothing", "no_such_shop:app"])
def test_says_what_is_no_guarded_application(shop: Path, place: str) -> None:
    """A slip of the name is told in a sentence."""
    assert place in report("--app", place, code=2)


def test_says_where_it_cannot_write(shop: Path) -> None:
    """A folder that isn't there is told in a sentence."""
    assert "nowhere" in report("--app", "report_shop:app", "--out", "nowhere/a.html", code=2)


def test_a_finding_leads_to_its_file_where_only_one_bears_the_name(shop: Path) -> None:
    """A code host asks for the path in the repository; where two files bear the name, none is made up."""
    for folder, expected in (("deep", "deep/report_shop.py"), ("twice", "report_shop.py")):
        (shop / folder).mkdir()
        (shop / folder / "report_shop.py").write_text(SHOP)
        (shop / "report_shop.py").unlink(missing_ok=True)
        sys.path.insert(0, str(shop / "deep"))
        run = json.loads(report("--app", "report_shop:app", "--format", "sarif"))["runs"][0]
        places = [result["locations"][0].get("physicalLocation") for result in run["results"]]
        assert expected in [place["artifactLocation"]["uri"] for place in places if place]


def test_a_result_of_another_declaration_counts_for_nothing(shop: Path) -> None:
    """The twin, of this very declaration, is told at the question that it is about."""
    told = json.loads(report("--app", "report_shop:app", "--format", "json"))
    digest = told["boundaries"][0]["claims"][0]["facts"]["digest"]
    for of, counted in ((digest, 1), ("0" * 16, 0)):
        tried = Tried(
            "previews", "fetch", "FT-01", of, "refused", datetime(2026, 11, 26, tzinfo=UTC)
        )
        content = msgspec.json.encode({"version": 1, "tested": [tried]})
        (shop / "tested.json").write_bytes(content)
        told = json.loads(
            report("--app", "report_shop:app", "--format", "json", "--tested", "tested.json")
        )
        assert (told["tested"], told["stale"]) == (counted, 1 - counted)
        third = told["boundaries"][0]["answers"][2]["established"]
        assert ("tested" in third) is bool(counted)
