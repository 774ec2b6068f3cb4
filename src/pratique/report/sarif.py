"""What is not guarded, as SARIF 2.1.0: for code hosts and editors that show findings."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from .blocks import visible
from .difference import Change, Difference
from .json import shown
from .report import Report
from .unguarded import LEVELS, MEANING, Kind, Level, Unguarded

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

_OF_CHANGE: Final = {
    Change.WEAKER: Level.WARNING,
    Change.STRONGER: Level.NOTE,
    Change.OTHER: Level.NOTE,
}
_NOWHERE: Final[Mapping[str, str]] = {}


def sarif_of(report: Report, *, version: str, sources: Mapping[str, str] = _NOWHERE) -> str:
    """Return a log of one run: a result for each thing that is not guarded.

    Args:
        report: Whatever else it says is left out.
        version: Of pratique.
        sources: File's name -> its path in the repository, where a code host looks for it.

    Source: OASIS SARIF 2.1.0 §3.27; a message's braces and brackets are escaped as in §3.11.
    """
    rules = [
        {
            "id": str(kind),
            "name": "".join(word.title() for word in kind.split("_")),
            "shortDescription": {"text": f"{MEANING[kind]}."},
            "defaultConfiguration": {"level": str(LEVELS.get(kind, Level.NOTE))},
        }
        for kind in Kind
    ]
    return _log(version, rules, [_result(hole, sources) for hole in report.not_guarded])


def sarif_of_change(found: Sequence[Difference], *, version: str, file: str) -> str:
    """Return a log of one run: a result for each difference of a lock, what got weaker first.

    Args:
        found: In their order.
        version: Of pratique.
        file: Path of the lock in the repository.
    """
    rules = [
        {
            "id": f"lock_{change}",
            "name": f"Lock{change.title()}",
            "shortDescription": {"text": f"{change.title()} than the lock that was compared."},
            "defaultConfiguration": {"level": str(_OF_CHANGE[change])},
        }
        for change in Change
    ]
    return _log(version, rules, [_difference(each, file) for each in found])


def _log(version: str, rules: Sequence[Any], results: Sequence[Any]) -> str:
    run = {
        "tool": {"driver": {"name": "pratique", "version": version, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return shown(msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}))


def _difference(each: Difference, file: str) -> dict[str, Any]:
    artifact = {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": 1}}
    return {
        "ruleId": f"lock_{each.change}",
        "ruleIndex": list(Change).index(each.change),
        "level": str(_OF_CHANGE[each.change]),
        "message": {"text": _message(f"{each.place}: {each.text}")},
        "partialFingerprints": {"pratique/v1": sha256(str(each).encode()).hexdigest()[:32]},
        "locations": [
            {
                "physicalLocation": artifact,
                "logicalLocations": [{"fullyQualifiedName": visible(each.place)}],
            }
        ],
    }


def _result(hole: Unguarded, sources: Mapping[str, str]) -> dict[str, Any]:
    told = f"{MEANING[hole.kind]}: {hole.what}"
    same = f"{hole.kind}\0{hole.what}"
    result: dict[str, Any] = {
        "ruleId": str(hole.kind),
        "ruleIndex": list(Kind).index(hole.kind),
        "level": str(hole.level),
        "message": {"text": _message(f"{told} ({hole.why})" if hole.why else told)},
        "partialFingerprints": {"pratique/v1": sha256(same.encode()).hexdigest()[:32]},
    }
    file, line, name = _place(hole.where)
    location: dict[str, Any] = {
        "logicalLocations": [{"fullyQualifiedName": visible(hole.what)}],
    }
    if file:
        artifact = {"uri": _uri(sources.get(file, file))}
        location["physicalLocation"] = {"artifactLocation": artifact, "region": {"startLine": line}}
        location["logicalLocations"][0]["name"] = visible(name)
    return {**result, "locations": [location]}


def _message(text: str) -> str:
    text = visible(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    return text.replace("{", "{{").replace("}", "}}")


def _place(where: str) -> tuple[str, int, str]:
    """Return "file.py", 12, "name" of "file.py:12 name"; "" where it isn't one."""
    place, _, name = where.partition(" ")
    file, _, line = place.rpartition(":")
    if not file or not (line.isascii() and line.isdigit()) or int(line) < 1:
        return "", 0, ""
    return file, int(line), name


def _uri(file: str) -> str:
    """Return a file's name as a relative reference: RFC 3986 §4.2."""
    return quote(file.replace("\\", "/"))
