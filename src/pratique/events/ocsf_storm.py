"""Finds storms of refusals in a stream of records, and renders each as a finding of OCSF 1.8.

Source: Open Cybersecurity Schema Framework 1.8.0, class Detection Finding [2004].
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pratique.core.event import Outcome, Record
from pratique.core.recorder import SAMPLES_A_MINUTE

from .ocsf import HIGH, Verdict, metadata, ocsf_event, policy, security_control

STORM: Final = SAMPLES_A_MINUTE
"""Refusals of one boundary in one minute. More of those that anybody can send aren't written."""
_STORM: Final = Verdict(2, 2, 1, HIGH)


class Storms:
    """Tells of each minute in which a boundary refused ten times or more.

    Records come in the order in which they were written; one that comes after the end of its
    minute belongs to a minute of its own.
    """

    def __init__(self) -> None:
        self._open: dict[str, list[Record]] = {}

    def see(self, record: Record) -> Iterator[dict[str, Any]]:
        """Look at one record; yield the finding of a storm that is over by it."""
        if record.outcome is not Outcome.REFUSED:
            return
        found = self._open.setdefault(record.boundary, [])
        if found and _minute(found[0].at) != _minute(record.at):
            yield from _finding(found)
            found.clear()
        if len(found) < STORM:
            found.append(record)
        else:
            found[-1] = record

    def rest(self) -> Iterator[dict[str, Any]]:
        """Yield the findings of storms that weren't over."""
        for found in self._open.values():
            yield from _finding(found)


def _minute(at: datetime) -> int:
    return int(at.timestamp() // 60)


def _finding(found: list[Record]) -> Iterator[dict[str, Any]]:
    if len(found) < STORM:
        return
    first, last = found[0], found[-1]
    title = f"{STORM} refusals or more within a minute at {first.boundary}"
    labels = [f"boundary:{first.boundary}", f"kind:{first.kind}"]
    uid = f"{first.boundary}/{_minute(first.at)}"
    yield {
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200401,
        "type_name": "Detection Finding: Create",
        "time": _milliseconds(last.at),
        "start_time": _milliseconds(first.at),
        "end_time": _milliseconds(last.at),
        "timezone_offset": 0,
        "severity_id": HIGH,
        "severity": "High",
        "status_id": 1,
        "status": "New",
        "message": title,
        "metadata": metadata(uid, "crossing.storm", labels),
        "policy": policy(first.boundary),
        "finding_info": {
            "uid": uid,
            "title": title,
            "desc": "Refusals before authentic are sampled: the counter "
            "pratique_crossings_total has all of them.",
            "types": ["refusal storm"],
            "first_seen_time": _milliseconds(first.at),
            "last_seen_time": _milliseconds(last.at),
            "related_events": [_related(each) for each in found],
        },
        **security_control(_STORM),
    }


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _related(record: Record) -> dict[str, Any]:
    return {"uid": record.crossing_id, "type_uid": ocsf_event(record)["type_uid"]}
