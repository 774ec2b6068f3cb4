"""Cedar as a policy, in this process: parsed once, checked against its schema, asked by slices."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from pratique.core.callback import place_of
from pratique.core.decision import Decision
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import Root

from .entity import Entity, written_record, written_slice

T = TypeVar("T")
_FAILED: Final = re.compile(r"policy `(policy\d+)`")
"""How Cedar's diagnostics name a policy that could not be evaluated."""


class CedarPolicy:
    """A policy written in Cedar: `Client(…, policy=CedarPolicy(text, …))`.

    A decision is handed the principal, the resource and their declared parents, no more. Where any
    policy could not be evaluated there is no decision: Cedar skips it and decides by the others,
    and a `forbid` that was skipped would permit (CWE-636).

    Args:
        policies: Their text. `@id("…")` names a policy in events; "policy0", "policy1" without.
        schema: Cedar's own syntax, or its JSON. With one, policies are checked here, and entities
            and requests at each decision.
        principal: (user) -> Entity.
        resource: (object) -> Entity; it is given None where an action has no object.
        action: (verb) -> Entity; `Entity("Action", verb)` by default.
        entities: (user, object) -> further entities whose attributes policies read.
        context: (user, verb, object) -> record; empty by default.

    Raises:
        BoundaryError: the text isn't Cedar, permits nothing, has a template or one id twice, or
            doesn't hold against its schema, in Cedar's own words; cedarpy isn't installed.

    Source: Cedar policy language, "Validation", "Authorization: skipped policies".
    """

    def __init__(
        self,
        policies: str,
        *,
        schema: str | None = None,
        principal: Callable[[Any], Entity],
        resource: Callable[[Any], Entity],
        action: Callable[[str], Entity] | None = None,
        entities: Callable[[Any, Any], Iterable[Entity]] | None = None,
        context: Callable[[Any, str, Any], Mapping[str, Any]] | None = None,
    ) -> None:
        self._names = _names(policies)
        self._principal, self._resource = principal, resource
        self._action, self._entities, self._context = action, entities, context
        self._ask = _asked(policies, schema)

    @property
    def words(self) -> str:
        """Return how it decides."""
        return f"{len(self._names)} Cedar policies over our own state"

    @property
    def roots(self) -> tuple[Root, ...]:
        """Return what it rests on besides our own code and rows: nothing."""
        return ()

    def __call__(self, user: Any, verb: str, object: Any, /) -> Decision:
        """Decide. The reasons are the policies that determined it.

        Raises:
            Refused: ALLOWED, code "internal", retry: a policy could not be evaluated, Cedar can't
                read what it was given, or one of the callables raised.
        """
        principal = _told("principal", self._principal, user)
        resource = _told("resource", self._resource, object)
        action = Entity("Action", verb)
        if self._action is not None:
            action = _told("action", self._action, verb)
        more = list[Entity]()
        if self._entities is not None:
            more += _told("entities", self._entities, user, object)
        if not action.is_only_named:
            more.append(action)
        context: Mapping[str, Any] = {}
        if self._context is not None:
            context = _told("context", self._context, user, verb, object)
        request = {"principal": principal.uid, "action": action.uid, "resource": resource.uid}
        try:
            told = self._ask(
                {**request, "context": json.dumps(written_record(context))},
                json.dumps(written_slice((principal, resource), more)),
            )
        except ValueError as error:
            raise _undecided("what Cedar was given can't be written or read") from error
        return self._read(*told)

    def _read(self, decided: str, reasons: list[str], errors: list[str]) -> Decision:
        if errors:
            failed = [found for text in errors for found in _FAILED.findall(text)]
            what = self._listed(failed) if failed else "the request or its entities"
            raise _undecided(f"Cedar could not evaluate {what}")
        # Cedar permits by a policy that says so, and by nothing else.
        if decided not in ("Allow", "Deny") or (decided == "Allow" and not reasons):
            raise _undecided("Cedar came to no decision")
        names = tuple(self._names.get(reason, reason) for reason in sorted(reasons))
        return Decision(decided == "Allow", names)

    def _listed(self, ids: Iterable[str]) -> str:
        return ", ".join(sorted({self._names.get(name, name) for name in ids}))


def _told(role: str, call: Callable[..., T], *asked: Any) -> T:
    """Ask one of the user's callables, and say which one it was that raised; never its text."""
    try:
        return call(*asked)
    except Exception as error:
        none = " on None: the action has no object" if asked[-1] is None else ""
        what = f"{role}= at {place_of(call)} raised {type(error).__name__}{none}"
        raise _undecided(what) from error


def _undecided(detail: str) -> Refused:
    return Refused(
        ALLOWED,
        detail,
        code="internal",
        hint="nothing is decided by the policies that are left; mend it or what it reads",
        answer=Answer.RETRY,
    )


Ask = Callable[[dict[str, Any], str], tuple[str, list[str], list[str]]]


def _asked(policies: str, schema: str | None) -> Ask:
    """Return what asks Cedar with everything parsed: decision, reasons, errors."""
    cedarpy = _library()
    parsed = cedarpy.PolicySet.from_str(policies)
    known = None if schema is None else _schema(schema)
    if known is not None:
        found = cedarpy.validate_policies(policies, known)
        if not found.validation_passed:
            debts = [f"CedarPolicy(schema=…): {error}." for error in found.errors]
            raise BoundaryError(*(debts or ["CedarPolicy(schema=…): the policies don't hold."]))

    def ask(request: dict[str, Any], entities: str) -> tuple[str, list[str], list[str]]:
        told = cedarpy.is_authorized(request, parsed, entities, known)
        diagnostics = told.diagnostics
        return told.decision.value, diagnostics.reasons, diagnostics.errors

    return ask


def _library() -> Any:
    try:
        import cedarpy
    except ImportError:
        raise BoundaryError("CedarPolicy needs the library cedarpy: pratique[cedar].") from None
    return cedarpy


def _schema(text: str) -> Any:
    cedarpy, is_json = _library(), text.lstrip().startswith("{")
    read = cedarpy.Schema.from_json_str if is_json else cedarpy.Schema.from_str
    try:
        return read(text)
    except ValueError as error:
        raise BoundaryError(f"CedarPolicy(schema=…): {error}.") from None


def _names(policies: str) -> dict[str, str]:
    """Return the name of each policy by the id that Cedar gives it."""
    try:
        read = json.loads(_library().policies_to_json_str(policies))
    except ValueError as error:
        raise BoundaryError(f"CedarPolicy: {error}.") from None
    if read["templates"]:
        raise BoundaryError("CedarPolicy: a template decides nothing until it is linked.")
    found: dict[str, Any] = read["staticPolicies"]
    if not any(policy["effect"] == "permit" for policy in found.values()):
        raise BoundaryError("CedarPolicy: no policy permits anything, so nothing is admitted.")
    names = {key: policy.get("annotations", {}).get("id") or key for key, policy in found.items()}
    if len(set(names.values())) != len(names):
        raise BoundaryError('CedarPolicy: two policies have one name: @id("…") is for one.')
    return names
