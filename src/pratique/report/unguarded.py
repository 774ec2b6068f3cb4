"""What is not guarded: the first page of the report."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from pratique.core.route import RouteState

from .evidence import BoundaryFacts, Evidence, RouteFacts
from .observed import Log
from .tested import Tried

FAILED: Final = "failed"
"""The outcome of a test that ended otherwise than it should."""


class Level(StrEnum):
    """How much a reviewer should mind; the words are SARIF's."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Kind(StrEnum):
    """What sort of hole it is, worst first. Stable: they are SARIF's rule ids."""

    STOPS_THE_START = "stops_the_start"
    FAILED_TEST = "failed_test"
    NAKED_ROUTE = "naked_route"
    LAPSED_WAIVER = "lapsed_waiver"
    LEGACY_ROUTE = "legacy_route"
    UNGUARDED_EGRESS = "unguarded_egress"
    OBSERVED_BOUNDARY = "observed_boundary"
    WAIVED_OBLIGATION = "waived_obligation"
    OPEN_GOAL = "open_goal"
    EGRESS_NOT_WATCHED = "egress_not_watched"
    DISABLED_BOUNDARY = "disabled_boundary"
    NO_ROUTES_SEEN = "no_routes_seen"
    MOUNT_OR_WEBSOCKET = "mount_or_websocket"
    ELSEWHERE_ROUTE = "elsewhere_route"
    KNOWN_EGRESS = "known_egress"
    PUBLIC_ROUTE = "public_route"


LEVELS: Final[Mapping[Kind, Level]] = {
    Kind.STOPS_THE_START: Level.ERROR,
    Kind.FAILED_TEST: Level.ERROR,
    Kind.NAKED_ROUTE: Level.ERROR,
    Kind.LAPSED_WAIVER: Level.ERROR,
    Kind.LEGACY_ROUTE: Level.WARNING,
    Kind.UNGUARDED_EGRESS: Level.WARNING,
    Kind.OBSERVED_BOUNDARY: Level.WARNING,
    Kind.WAIVED_OBLIGATION: Level.WARNING,
    Kind.OPEN_GOAL: Level.WARNING,
}
"""The rest is a note."""
MEANING: Final[Mapping[Kind, str]] = {
    Kind.STOPS_THE_START: "The application does not start like this",
    Kind.FAILED_TEST: "An attack was let through in a test, or an honest request was not",
    Kind.NAKED_ROUTE: "A route says nothing of itself: nothing proves who calls it",
    Kind.LAPSED_WAIVER: "A waiver has ended: the obligation is owed again and has no proof",
    Kind.LEGACY_ROUTE: "A route was naked when the lock was written, and still is",
    Kind.UNGUARDED_EGRESS: "A module connected outside any fetch policy",
    Kind.OBSERVED_BOUNDARY: "A boundary only observes: it enforces nothing",
    Kind.WAIVED_OBLIGATION: "An obligation is waived for a time",
    Kind.OPEN_GOAL: "No proof stands between an attacker with an account and this goal",
    Kind.EGRESS_NOT_WATCHED: "Nothing counts the connections that no fetch policy judges",
    Kind.DISABLED_BOUNDARY: "A boundary is declared, and off",
    Kind.NO_ROUTES_SEEN: "The routes of the application are not seen here",
    Kind.MOUNT_OR_WEBSOCKET: "A mount or a websocket: what passes through it is not seen",
    Kind.ELSEWHERE_ROUTE: "A route is guarded by something else, which is named and unproven",
    Kind.KNOWN_EGRESS: "A module connects by itself, with a reason",
    Kind.PUBLIC_ROUTE: "A route may be called by anybody, with a reason",
}
"""Each kind in a sentence, without its full stop."""
_BY_STATE: Final = {
    RouteState.NAKED: Kind.NAKED_ROUTE,
    RouteState.LEGACY: Kind.LEGACY_ROUTE,
    RouteState.ELSEWHERE: Kind.ELSEWHERE_ROUTE,
    RouteState.PUBLIC: Kind.PUBLIC_ROUTE,
}


class Unguarded(msgspec.Struct, frozen=True):
    """One thing that is not guarded.

    Attributes:
        what: "GET /health", "payments invoice.paid: confirmed".
        why: The reason that was given, who answers for it, until when, the bound; "" where none is.
        where: "file.py:12 name", "" where it isn't known.
    """

    kind: Kind
    level: Level
    what: str
    why: str = ""
    where: str = ""


def unguarded(
    evidence: Evidence,
    *,
    on: date,
    log: Log | None,
    tested: Iterable[Tried],
    egress: Mapping[str, str] | None,
) -> tuple[Unguarded, ...]:
    """Return everything that is not guarded, worst first.

    Args:
        evidence: What is declared.
        on: The day on which waivers are judged, UTC.
        log: What was seen, None where no log was read.
        tested: Results of the test kit.
        egress: Modules that connect by themselves, each with the reason; None where nothing counts
            connections.
    """
    found = [
        *(_hole(Kind.STOPS_THE_START, debt) for debt in evidence.debts),
        *(hole for route in evidence.routes for hole in _route(route)),
        *(hole for boundary in evidence.boundaries for hole in _boundary(boundary, on)),
        *_failed(evidence, tested),
        *_egress(log, egress),
    ]
    if not evidence.routes:
        found.append(_hole(Kind.NO_ROUTES_SEEN, "all of them"))
    order = list(Kind)
    return tuple(sorted(found, key=lambda hole: (order.index(hole.kind), hole.what, hole.why)))


def _hole(kind: Kind, what: str, why: str = "", where: str = "") -> Unguarded:
    return Unguarded(kind, LEVELS.get(kind, Level.NOTE), what, why, where)


def _route(route: RouteFacts) -> Iterator[Unguarded]:
    kind = _BY_STATE.get(RouteState(route.state))
    if kind is not None:
        yield _hole(kind, route.key, route.named, route.where)
    if route.key.startswith("* "):
        yield _hole(Kind.MOUNT_OR_WEBSOCKET, route.key, route.state, route.where)


def _boundary(boundary: BoundaryFacts, on: date) -> Iterator[Unguarded]:
    if boundary.mode == "disabled":
        yield _hole(Kind.DISABLED_BOUNDARY, boundary.name, "its secret is unset: it answers 404")
    elif boundary.mode != "enforced":
        yield _hole(Kind.OBSERVED_BOUNDARY, boundary.name, boundary.mode)
    for claim in boundary.claims:
        place = f"{boundary.name} {claim.name}".rstrip()
        for waiver in claim.waivers:
            kind = Kind.LAPSED_WAIVER if waiver.until <= on else Kind.WAIVED_OBLIGATION
            told = f"{waiver.reason}; owner {waiver.owner}, until {waiver.until}"
            yield _hole(kind, f"{place}: {waiver.obligation}", f"{told}; bound: {waiver.bound}")
        if claim.effect:
            for goal, sets in claim.reached.items():
                if () in sets:
                    why = "it changes state, and nothing declared stands in the way"
                    yield _hole(Kind.OPEN_GOAL, f"{place}: {goal}", why, claim.effect)


def _failed(evidence: Evidence, tested: Iterable[Tried]) -> Iterator[Unguarded]:
    digests = {(b.name, c.name): c.digest for b in evidence.boundaries for c in b.claims}
    for each in tested:
        is_current = digests.get((each.boundary, each.claim)) == each.digest
        if is_current and each.outcome == FAILED:
            place = f"{each.boundary} {each.claim}".rstrip()
            yield _hole(Kind.FAILED_TEST, f"{place}: {each.attack}", each.at.isoformat())


def _egress(log: Log | None, egress: Mapping[str, str] | None) -> Iterator[Unguarded]:
    for seen in log.egress if log is not None else ():
        why = f"{seen.told} (last told {seen.last.isoformat()})"
        yield _hole(Kind.UNGUARDED_EGRESS, seen.module, why)
    if egress is None:
        yield _hole(Kind.EGRESS_NOT_WATCHED, "connections of any module")
        return
    for module, reason in egress.items():
        yield _hole(Kind.KNOWN_EGRESS, module, reason)
