"""Each format escapes whatever a name holds, and its links lead somewhere."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pratique.report.blocks import invisible, visible
from pratique.report.html import html_of
from pratique.report.json import json_of
from pratique.report.markdown import markdown_of
from pratique.report.page import page_of
from pratique.report.report import Report, report_of
from pratique.report.sarif import sarif_of
from pratique.report.unguarded import Kind
from tests.report.apps import TODAY, demo_evidence, empty_report, full_report
from tests.vector_files import find

FORMATS = {
    "html": lambda report: html_of(page_of(report)),
    "md": lambda report: markdown_of(page_of(report)),
    "json": json_of,
    "sarif": lambda report: sarif_of(report, version="1"),
}


class Walked(HTMLParser):
    """Notes the elements of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        """Return every value of an attribute."""
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module", params=["full", "empty", "demo"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of each application."""
    if request.param == "demo":
        folder: Path = tmp_path_factory.mktemp("demo")
        return report_of(demo_evidence(folder), of="demo:app", on=TODAY)
    return full_report() if request.param == "full" else empty_report()


@pytest.mark.parametrize("name", FORMATS)
def test_no_control_character_and_no_direction_gets_out(report: Report, name: str) -> None:
    """Nothing repaints a terminal or reads otherwise than it is (CWE-150, CWE-1007)."""
    assert invisible.findall(FORMATS[name](report).replace("\n", "")) == []


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_report_gives_the_same_bytes(name: str) -> None:
    """So that two of them can be compared."""
    assert FORMATS[name](full_report()) == FORMATS[name](full_report())


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_gives_a_verdict(report: Report, name: str) -> None:
    """A report tells evidence."""
    assert re.findall(r"\b(?:secure|compliant)\b", FORMATS[name](report), re.IGNORECASE) == []


def test_html_is_whole_and_holds_no_script(report: Report) -> None:
    """Each element is closed, none runs, none loads, whatever a name holds."""
    text = FORMATS["html"](report)
    page = Walked(text)
    assert page.open == []
    assert {tag for tag, _ in page.tags} & {"script", "img", "iframe", "link", "b"} == set()
    assert [name for _, attrs in page.tags for name in attrs if name.startswith("on")] == []
    assert page.values("src") == []
    assert "default-src 'none'" in text


def test_each_link_of_html_leads_to_one_anchor(report: Report) -> None:
    """No anchor twice, no link to nowhere; what a label names exists."""
    page = Walked(FORMATS["html"](report))
    anchors = page.values("id")
    assert len(anchors) == len(set(anchors))
    assert {link.removeprefix("#") for link in page.values("href")} <= set(anchors)
    assert {name for value in page.values("aria-labelledby") for name in value.split()} <= set(
        anchors
    )


def test_each_header_of_a_table_has_its_scope(report: Report) -> None:
    """A reader of a screen hears which; each scrolling part has a name of its own."""
    page = Walked(FORMATS["html"](report))
    assert all("scope" in attrs for tag, attrs in page.tags if tag == "th")
    labels = [attrs["aria-label"] for _, attrs in page.tags if attrs.get("role") == "region"]
    assert len(labels) == len(set(labels))


def test_each_link_of_markdown_leads_to_one_anchor(report: Report) -> None:
    """The same anchors; no name has made a link or an element."""
    text = FORMATS["md"](report)
    anchors = re.findall(r'<a id="([^"]+)"></a>', text)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"(?<!\\)\]\(#?([^)]*)\)", text)) <= set(anchors)
    assert set(re.findall(r"(?<!\\)<(\w+)", text)) <= {"a", "br"}


def test_each_table_of_markdown_keeps_its_columns(report: Report) -> None:
    """A name with a bar or a line's end opens no cell and no row."""
    widths: set[int] = set()
    for line in [*FORMATS["md"](report).splitlines(), ""]:
        if not line.startswith("|"):
            assert len(widths) <= 1
            widths = set()
            continue
        widths.add(len(re.findall(r"(?<!\\)\|", line)))


def test_sarif_has_a_result_for_each_hole(report: Report) -> None:
    """With its level, its rule and, where it is known, its place."""
    run = json.loads(FORMATS["sarif"](report))["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [str(kind) for kind in Kind]
    assert len(run["results"]) == len(report.not_guarded)
    for hole, result in zip(report.not_guarded, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == str(hole.kind)
        assert result["level"] == str(hole.level)
        assert ("physicalLocation" in result["locations"][0]) is (":" in hole.where)


def test_sarif_is_what_its_schema_says(report: Report) -> None:
    """OASIS's own schema judges it; it is other people's, and read where PRATIQUE_VECTORS says."""
    name = "sarif-schema-2.1.0.json"
    path = find(name)
    if path is None:
        pytest.skip(f"no {name}: PRATIQUE_VECTORS doesn't name its folder")
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(FORMATS["sarif"](report)), schema)


def test_a_message_of_sarif_holds_no_placeholder_and_no_link() -> None:
    """SARIF 2.1.0 §3.11: braces are doubled, brackets escaped."""
    run = json.loads(FORMATS["sarif"](full_report()))["runs"][0]
    text = next(r["message"]["text"] for r in run["results"] if r["ruleId"] == "stops_the_start")
    assert "{{0}}" in text
    assert "\\[x\\](javascript" in text


def test_json_says_all_of_it(report: Report) -> None:
    """It is read back as what it was."""
    told = json.loads(json_of(report))
    assert len(told["boundaries"]) == len(report.boundaries)
    assert told["on"] == "2026-11-26"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\tb\nc", "a b c"), ("\x1b[1m", "\\u001b[1m"), ("\u202ea", "\\u202ea"), ("ä 漢", "ä 漢")],
)
def test_what_is_invisible_is_made_visible(text: str, shown: str) -> None:
    """And the twin: letters of any language stay."""
    assert visible(text) == shown


def test_what_is_declared_besides_stands_there(tmp_path: Path) -> None:
    """What a partner's answer is about, whether it decides, what is unbounded: the reviewer sees it."""
    text = FORMATS["md"](report_of(demo_evidence(tmp_path), of="demo:app", on=TODAY))
    assert "- decides: " in text
    assert "- unbounded: " in text
