"""Renders a record as an event of OCSF 1.8: for whoever ships it, never in the request's path.

Source: Open Cybersecurity Schema Framework 1.8.0, classes API Activity [6003] and HTTP Activity
[4002], profile Security Control; https://schema.ocsf.io/1.8.0.
"""

from functools import cache
from importlib.metadata import version
from typing import Any, Final, NamedTuple

from pratique.core.event import Outcome, Record

OCSF: Final = "1.8.0"
OUTBOUND: Final = frozenset({"fetch", "partner"})
"""Kinds whose crossings are requests of ours: HTTP Activity. All others come in: API Activity."""
FAILED_CLOSED: Final = frozenset(
    {
        "busy",
        "client_certificate_unseen",
        "deadline",
        "internal",
        "introspection_unavailable",
        "keys_unavailable",
        "no_decision",
        "no_thread",
        "store_unavailable",
        "unproven",
    }
)
"""Codes of refusals that say nothing of the sender: a proof could not be run."""
OTHER: Final = 99
INFORMATIONAL, LOW, MEDIUM, HIGH = 1, 2, 3, 4
_SEVERITIES: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High"}
_ACTIONS: Final = {1: "Allowed", 2: "Denied", 3: "Observed"}
_DISPOSITIONS: Final = {
    1: "Allowed", 2: "Blocked", 6: "Dropped", 14: "Delayed", 15: "Detected", 16: "No Action",
    17: "Logged", 19: "Alert", 25: "Rejected", 26: "Unauthorized", 27: "Error",
}  # fmt: skip
_BLOCKED, _UNAUTHORIZED, _ERROR = 2, 26, 27
_SUCCESS, _FAILURE = 1, 2
_METHODS: Final = {
    "CONNECT": 1, "DELETE": 2, "GET": 3, "HEAD": 4, "OPTIONS": 5, "POST": 6, "PUT": 7, "TRACE": 8,
    "PATCH": 9,
}  # fmt: skip
_UPDATE: Final = 3


class Verdict(NamedTuple):
    """What OCSF says of an outcome: its profile Security Control, status and severity."""

    action: int
    disposition: int
    status: int
    severity: int


_VERDICTS: Final = {
    Outcome.PROVEN: Verdict(1, 1, _SUCCESS, INFORMATIONAL),
    Outcome.REFUSED: Verdict(2, _BLOCKED, _FAILURE, MEDIUM),
    Outcome.MISMATCH: Verdict(2, 25, _FAILURE, MEDIUM),
    Outcome.DUPLICATE: Verdict(2, 6, OTHER, INFORMATIONAL),
    Outcome.IGNORED: Verdict(1, 16, OTHER, INFORMATIONAL),
    Outcome.RECEIVED: Verdict(1, 14, _SUCCESS, INFORMATIONAL),
    Outcome.LATER: Verdict(2, 14, OTHER, INFORMATIONAL),
    Outcome.WOULD_ADMIT: Verdict(3, 17, OTHER, INFORMATIONAL),
    Outcome.WOULD_REFUSE: Verdict(3, 15, OTHER, LOW),
    Outcome.EFFECT_FAILED: Verdict(1, _ERROR, _FAILURE, HIGH),
    Outcome.UNKNOWN: Verdict(1, _ERROR, _FAILURE, HIGH),
    Outcome.WARNED: Verdict(3, 19, OTHER, MEDIUM),
}


def ocsf_event(record: Record) -> dict[str, Any]:
    """Return the OCSF event of one record: API Activity inbound, HTTP Activity outbound.

    A record holds no address, path or user: what OCSF wants of them is the boundary's own name, and
    their fingerprints where the perimeter makes some.
    """
    verdict = verdict_of(record)
    shown = _outbound(record) if record.kind in OUTBOUND else _inbound(record)
    event: dict[str, Any] = shown | {
        "time": round(record.at.timestamp() * 1000),
        "timezone_offset": 0,
        "severity_id": verdict.severity,
        "severity": _SEVERITIES[verdict.severity],
        "status_id": verdict.status,
        "status": _status(record, verdict),
        "message": f"crossing {record.outcome}: {record.boundary} {record.declaration}".rstrip(),
        "metadata": metadata(
            record.crossing_id, _event_code(record), _labels(record), within=record.within
        ),
        "policy": policy(record.boundary),
        "authorizations": _authorizations(record),
        "unmapped": _unmapped(record),
        **security_control(verdict),
    }
    if record.code:
        event["status_code"] = record.code
    if record.detail:
        event["status_detail"] = record.detail
    return event


def verdict_of(record: Record) -> Verdict:
    """Return what OCSF says of a record's outcome."""
    verdict = _VERDICTS[record.outcome]
    if record.outcome is not Outcome.REFUSED:
        return verdict
    if record.code in FAILED_CLOSED:
        return verdict._replace(disposition=_ERROR, severity=HIGH)
    if "authentic" not in record.proofs:  # anybody can send one
        verdict = verdict._replace(severity=LOW)
    is_inbound = record.kind not in OUTBOUND
    if is_inbound and record.obligation in ("linked", "allowed"):
        return verdict._replace(disposition=_UNAUTHORIZED)
    return verdict


def security_control(verdict: Verdict) -> dict[str, Any]:
    """Return the attributes of the profile Security Control."""
    return {
        "action_id": verdict.action,
        "action": _ACTIONS[verdict.action],
        "disposition_id": verdict.disposition,
        "disposition": _DISPOSITIONS[verdict.disposition],
        "is_alert": verdict.severity >= MEDIUM,
    }


def metadata(uid: str, event_code: str, labels: list[str], *, within: str = "") -> dict[str, Any]:
    """Return the metadata of an event of ours; *within*: the crossing inside which it began."""
    told = {
        "version": OCSF,
        "product": {"name": "pratique", "vendor_name": "pratique", "version": _version()},
        "profiles": ["security_control"],
        "log_name": "pratique.crossings",
        "uid": uid,
        "event_code": event_code,
        "labels": labels,
    }
    return told | {"correlation_uid": within} if within else told


@cache
def _version() -> str:
    return version("pratique")


def policy(boundary: str) -> dict[str, Any]:
    """Return a boundary as the policy that decided."""
    return {
        "name": boundary,
        "uid": f"boundary/{boundary}",
        "type": "pratique boundary",
        "is_applied": True,
    }


def _inbound(record: Record) -> dict[str, Any]:
    is_known = "authentic" in record.proofs
    actor: dict[str, Any] = {
        "app_name": f"sender of {record.boundary}" if is_known else "not proven"
    }
    if is_known and record.secret:
        actor["app_uid"] = record.secret
    marks = dict(mark.split(":", 1) for mark in record.marks)
    endpoint: dict[str, Any] = {"name": "not recorded", "type_id": 0}
    if "address" in marks:
        endpoint["uid"] = marks["address"]
    if "subject" in marks:
        actor["user"] = {"uid": marks["subject"]}
    is_event = record.kind == "webhook"
    operation = record.declaration or record.kind
    return _class(6003, _UPDATE if is_event else OTHER, "Update" if is_event else operation) | {
        "actor": actor,
        "api": {
            "operation": operation,
            "service": {"name": record.boundary},
            "request": {"uid": record.crossing_id},
        },
        "src_endpoint": endpoint,
    }


def _outbound(record: Record) -> dict[str, Any]:
    method = record.declaration.partition(" ")[0]  # a partner's call: "GET /score"
    request = {"uid": record.crossing_id}
    if method not in _METHODS:
        return _class(4002, OTHER, record.kind) | {"http_request": request}
    request["http_method"] = method
    return _class(4002, _METHODS[method], method.title()) | {"http_request": request}


def _class(uid: int, activity: int, name: str) -> dict[str, Any]:
    is_api = uid == 6003  # noqa: PLR2004  its number in OCSF
    class_name = "API Activity" if is_api else "HTTP Activity"
    return {
        "category_uid": 6 if is_api else 4,
        "category_name": "Application Activity" if is_api else "Network Activity",
        "class_uid": uid,
        "class_name": class_name,
        "activity_id": activity,
        "activity_name": name,
        "type_uid": uid * 100 + activity,
        "type_name": f"{class_name}: {'Other' if activity == OTHER else name}",
    }


def _status(record: Record, verdict: Verdict) -> str:
    known = {_SUCCESS: "Success", _FAILURE: "Failure"}
    return known.get(verdict.status, record.outcome.value)


def _event_code(record: Record) -> str:
    return ".".join(filter(None, ("crossing", record.outcome, record.obligation)))


def _labels(record: Record) -> list[str]:
    return [f"boundary:{record.boundary}", f"kind:{record.kind}"]


def _authorizations(record: Record) -> list[dict[str, Any]]:
    """Return each proof with its result, the failed one last."""
    decided = [(proof, "proven") for proof in record.proofs if proof != record.obligation]
    if record.obligation:
        decided.append((record.obligation, record.outcome.value))
    return [
        {
            "decision": decision,
            "policy": {"name": proof, "type": "pratique proof", "is_applied": True},
        }
        for proof, decision in decided
    ]


def _unmapped(record: Record) -> dict[str, str]:
    told = {
        "key_sha256": record.key,
        "hint": record.hint,
        "error": record.error,
        "incident": record.incident,
    }
    return {name: value for name, value in told.items() if value}
