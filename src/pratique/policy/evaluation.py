"""AuthZEN 1.0 as bytes: questions written, answers read so that nothing but a decision passes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from pratique.core.answered import Answered
from pratique.core.decision import Decision
from pratique.core.obligation import ALLOWED
from pratique.core.proofs.authentic.strict_json import DuplicateMemberError, object_of
from pratique.core.refusal import Answer, Refused, mismatch

JSON: Final = "application/json"
REQUEST_ID: Final = "X-Request-ID"
OK: Final = 200
MAX_WORDS: Final = 64
"""Characters of a decision point's own words in an event, as of any value from outside."""
REASONS: Final = ("id", "reason_admin", "reason", "error")
"""Members of a decision's context that are for the operator. `reason_user` is not."""
_encode: Final = json.JSONEncoder(
    allow_nan=False, sort_keys=True, separators=(",", ":")
).encode  # strict: a fact that JSON hasn't is not asked about as null


@dataclass(frozen=True, slots=True)
class Named:
    """A subject or a resource, as a decision point knows it.

    Args:
        type: "user", "order".
        id: Not empty.
        properties: Facts from our own state; JSON.
    """

    type: str
    id: str
    properties: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def written(self) -> dict[str, Any]:
        """Return it as a member of a question.

        Raises:
            ValueError: the type or the id is no text, or empty.
        """
        if not all(type(text) is str and text for text in (self.type, self.id)):
            message = "a type and an id are texts that aren't empty: str(row.id)"
            raise ValueError(message)
        more = {"properties": dict(self.properties)} if self.properties else {}
        return {"type": self.type, "id": self.id, **more}


def written_evaluation(
    subject: Named, action: str, resource: Named, context: Mapping[str, Any]
) -> bytes:
    """Write one question; the same facts are the same bytes.

    Raises:
        TypeError: a fact isn't JSON.
        ValueError: likewise, or somebody has no name.

    Source: AuthZEN 1.0, "Access Evaluation API".
    """
    question = {
        "subject": subject.written(),
        "action": {"name": action},
        "resource": resource.written(),
        **({"context": dict(context)} if context else {}),
    }
    return _encode(question).encode()


def written_evaluations(questions: list[bytes]) -> bytes:
    """Write several questions as one, all of them to be answered.

    Source: AuthZEN 1.0, "Access Evaluations API".
    """
    options = b'{"evaluations_semantic":"execute_all"}'
    return b'{"evaluations":[' + b",".join(questions) + b'],"options":' + options + b"}"


def read_decision(answer: Answered, *, request_id: str) -> Decision:
    """Read the answer to one question.

    Raises:
        Refused: ALLOWED, code "no_decision", retry: it is anything but a decision.
    """
    return _decision(_object(answer, request_id), request_id)


def read_decisions(answer: Answered, *, request_id: str, count: int) -> tuple[Decision, ...]:
    """Read the answer to several questions: as many decisions as questions, in their order.

    Raises:
        Refused: ALLOWED, code "no_decision", retry: any of it is anything but a decision.
    """
    told: object = _object(answer, request_id).get("evaluations")
    if type(told) is not list:
        raise no_decision("the answer has no list of evaluations", request_id)
    items = cast("list[object]", told)
    if len(items) != count:
        # Whose answer would be whose? Never the first ones for the first ones.
        raise no_decision(mismatch("decisions", expected=count, got=len(items)), request_id)
    return tuple(_decision(item, request_id) for item in items)


def no_decision(detail: str, request_id: str) -> Refused:
    """Return the refusal of what a decision point didn't decide."""
    return Refused(
        ALLOWED,
        f"{detail} (asked as {request_id})",
        code="no_decision",
        hint="look into the decision point's log for that request id; nothing is allowed meanwhile",
        answer=Answer.RETRY,
    )


def _object(answer: Answered, request_id: str) -> dict[str, Any]:
    if answer.status != OK:
        raise no_decision(mismatch("status", expected=OK, got=answer.status), request_id)
    try:
        content_type = answer.fields.one("Content-Type") or ""
        echoed = answer.fields.one(REQUEST_ID) or request_id
    except Refused as refused:
        raise no_decision(f"its fields: {refused.code}", request_id) from None
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise no_decision(f"the answer isn't {JSON}", request_id)
    if echoed != request_id:
        # An answer to somebody else's question, by a cache or a desynchronised connection.
        raise no_decision("the answer bears another request id", request_id)
    try:
        return object_of(answer.content)
    except DuplicateMemberError:
        raise no_decision("the answer names a member twice", request_id) from None
    except ValueError:
        raise no_decision("the answer is no JSON object", request_id) from None


def _decision(told: object, request_id: str) -> Decision:
    item = cast("dict[str, object]", told) if type(told) is dict else {}
    decided, context = item.get("decision"), item.get("context", {})
    if type(decided) is not bool or type(context) is not dict:
        raise no_decision("the answer has no decision that is true or false", request_id)
    members = cast("dict[str, object]", context)
    reasons = [f"{name}={_words(members[name])}" for name in REASONS if name in members]
    return Decision(decided, (*reasons, f"asked as {request_id}"))


def _words(value: object) -> str:
    text = json.dumps(value)  # escapes what isn't ASCII, and every control character
    return text if len(text) <= MAX_WORDS else text[: MAX_WORDS - 1] + "…"
