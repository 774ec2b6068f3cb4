"""Break-glass: one obligation of one boundary that an incident lets go unproven for some hours."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from .obligation import AUTHENTIC, Obligation
from .refusal import BoundaryError

if TYPE_CHECKING:
    from .boundary import Boundary

VARIABLE: Final = "PRATIQUE_BREAK_GLASS"
LONGEST: Final = timedelta(hours=24)
"""What isn't mended by then is a waiver, with a reviewer."""
LONGEST_INCIDENT: Final = 64
_PARTS: Final = 4


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One obligation that isn't proven until a moment, because of an incident.

    Args:
        boundary: The name of the boundary.
        obligation: What isn't asked for meanwhile.
        incident: Its id, which every crossing's record carries.
        until: The moment from which it is owed again, UTC.
    """

    boundary: str
    obligation: Obligation
    incident: str
    until: datetime

    def holds(self, at: datetime) -> bool:
        """Say whether it is still in force at *at* (UTC)."""
        return at < self.until

    def __str__(self) -> str:
        """Return what is open, for whom it is told."""
        return (
            f'break-glass for incident {self.incident}: boundary "{self.boundary}" goes without '
            f"{self.obligation} until {self.until.isoformat()}"
        )


def read_break_glass(
    now: datetime, environment: Mapping[str, str] | None = None
) -> BreakGlass | None:
    """Return what the environment breaks: "payments:allowed:INC-112:2026-11-26T18:00:00+00:00".

    Args:
        now: The time, UTC.
        environment: By default the process's.

    Returns:
        None where the variable isn't set. One that has ended is returned: it holds no more.

    Raises:
        BoundaryError: it is set and is none: empty, a part missing, no obligation, `authentic`, an
            incident id that isn't printable or has more than 64 characters, a time without an
            offset or more than 24 h ahead.
    """
    text = (os.environ if environment is None else environment).get(VARIABLE)
    if text is None:
        return None
    parts = [part.strip() for part in text.split(":", _PARTS - 1)]
    if len(parts) != _PARTS or not all(parts):
        raise BoundaryError(
            f"{VARIABLE} is none: write boundary:obligation:incident:until, the last as "
            '"2026-11-26T18:00:00+00:00", or unset it.'
        )
    boundary, obligation, incident, until = parts
    if len(incident) > LONGEST_INCIDENT or not (incident.isascii() and incident.isprintable()):
        raise BoundaryError(
            f"{VARIABLE}: an incident id has at most {LONGEST_INCIDENT} printable ASCII characters."
        )
    return BreakGlass(boundary, _obligation(obligation), incident, _until(until, now))


def break_glass(
    boundaries: Sequence["Boundary"], now: datetime, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Let the boundary that the environment names go without, and no other; return the debts.

    Args:
        boundaries: Each of the perimeter.
        now: The time, UTC.
        environment: By default the process's.
    """
    for boundary in boundaries:
        boundary.glass = None
    try:
        found = read_break_glass(now, environment)
    except BoundaryError as error:
        return list(error.debts)
    if found is None:
        return []
    known = {boundary.name: boundary for boundary in boundaries}
    if found.boundary not in known:
        near = get_close_matches(found.boundary, known) or sorted(known)
        return [f"{VARIABLE}: no boundary has that name. There is: {', '.join(near)}."]
    boundary = known[found.boundary]
    reason = boundary.unbreakable(found.obligation)
    if reason:
        return [
            f'{VARIABLE}: boundary "{boundary.name}" can\'t go without {found.obligation}: {reason}'
        ]
    boundary.glass = found
    return []


def _obligation(word: str) -> Obligation:
    try:
        obligation = Obligation(word)
    except ValueError:
        near = get_close_matches(word, list(Obligation)) or list(Obligation)
        raise BoundaryError(
            f"{VARIABLE}: there is no such obligation. There is: {', '.join(near)}."
        ) from None
    if obligation is AUTHENTIC:
        raise BoundaryError(
            f"{VARIABLE}: AUTHENTIC is never broken: without it anybody says anything, and the "
            "other obligations are asked of nobody. Roll the secret or the key instead."
        )
    return obligation


def _until(text: str, now: datetime) -> datetime:
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        until = None
    if until is None or until.utcoffset() is None:
        raise BoundaryError(
            f'{VARIABLE}: its end is no time with an offset: "2026-11-26T18:00:00+00:00".'
        )
    if until - now > LONGEST:
        raise BoundaryError(
            f"{VARIABLE} ends in {(until - now) // timedelta(hours=1)} h, at most "
            f"{LONGEST // timedelta(hours=1)} h are allowed. What takes longer is a waiver in the "
            "code: unsafe.waive(…)."
        )
    return until
