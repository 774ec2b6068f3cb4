"""Write the attack manual: every attack by its id, with its page, its tests, OWASP and CWE.

    python -m scripts.attack_manual

What is sent and what is owed stands in tests/attacks/catalogue.toml; the tests are those whose
docstring bears the id. A test says when the page no longer tells the truth.
"""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
CATALOGUE: Final = ROOT / "tests/attacks/catalogue.toml"
PAGE: Final = ROOT / "docs/explanation/attack-manual.md"
MAX_TESTS: Final = 2
"""A row names two tests of an id, those in tests/attacks/ first."""
ID: Final = re.compile(r"\b(?:WH|SV|CL|UP|FT|PX|EV)-\d\d\b")
SHELVES: Final = {
    "webhook": "Webhooks",
    "service": "Services",
    "client": "Clients",
    "partner": "Partners",
    "fetch": "Fetches",
    "forwarded": "Proxies",
    "events": "Events",
}
_HEAD: Final = """\
# The attack manual

Every attack that we know by name: what is sent, what a sound API owes, the page that tells why it
works elsewhere and not here, and a test that sends it. Each test has a twin that is admitted; its
oracle is what was changed, read or reached, never the status alone. To find all tests of an
attack, search for its id: `grep -rl WH-14 tests`.

Ids of OWASP are those of its API Security Top 10 (2023), those of CWE are MITRE's. This page is
written by `scripts/attack_manual.py` from `tests/attacks/catalogue.toml` and the tests' own
docstrings.
"""
_COLUMNS: Final = "| id | is sent | is owed | page | test | OWASP, CWE |\n|---|---|---|---|---|---|"
Tests = Mapping[str, Sequence[str]]


def attacks() -> dict[str, dict[str, Any]]:
    """Return every attack of the catalogue by its id."""
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def borne(source: str) -> Iterator[tuple[str, str]]:
    """Yield id and name of each test whose docstring bears an id, one by one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            node.name.startswith("test_")
        ):
            yield from ((found, node.name) for found in ID.findall(ast.get_docstring(node) or ""))


def bearers() -> dict[str, list[str]]:
    """Return the tests of each id, as "tests/…/test_x.py::test_y"; those of the attacks first."""
    found: dict[str, list[str]] = {}
    paths = sorted((ROOT / "tests").rglob("test_*.py"), key=lambda p: ("attacks" not in p.parts, p))
    for path in paths:
        for attack, name in borne(path.read_text(encoding="utf-8")):
            test = f"{path.relative_to(ROOT).as_posix()}::{name}"
            if test not in found.setdefault(attack, []):
                found[attack].append(test)
    return found


def row(attack: str, facts: Mapping[str, Any], by_test: Tests) -> str:
    """Return an attack's line of the table."""
    page = facts["page"]
    link = f"[{page.replace('-', ' ')}](attacks/{page}.md)" if page else "[model](threat-model.md)"
    named = "<br>".join(f"`{test}`" for test in by_test.get(attack, ())[:MAX_TESTS])
    ids = ", ".join([*facts["owasp"], f"CWE-{facts['cwe']}"])
    cells = [attack, _cell(facts["sent"]), _cell(facts["owed"]), link]
    return f"| {' | '.join([*cells, named or 'none: ' + facts['untested'], ids])} |"


def manual(catalogue: Mapping[str, Mapping[str, Any]], by_test: Tests) -> str:
    """Return the page."""
    lines = [_HEAD]
    for boundary, title in SHELVES.items():
        lines += [f"## {title}", "", _COLUMNS]
        lines += [
            row(attack, facts, by_test)
            for attack, facts in catalogue.items()
            if facts["boundary"] == boundary
        ]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"([|<\[*])", r"\\\1", text)


if __name__ == "__main__":
    PAGE.write_text(manual(attacks(), bearers()), encoding="utf-8")
