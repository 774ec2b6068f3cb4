"""What is not guarded, as SARIF 2.1.0: for code hosts and editors that show findings."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote

import msgspec

from .blocks import visible
from .json import shown
from .report import Report
from .unguarded import LEVELS, MEANING, Kind, Level, Unguarded

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

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
    driver = {"name": "pratique", "version": version, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(hole, sources) for hole in report.not_guarded],
    }
    return shown(msgspec.json.encode({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}))


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
