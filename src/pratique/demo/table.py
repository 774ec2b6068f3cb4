"""What each of the three APIs did with one attack, and how that is printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx

from pratique.events import JsonLines

KINDS = ("vulnerable", "safer", "guarded")
GUARDED = "guarded"
_REFUSES = "refuses"


@dataclass(frozen=True)
class Row:
    """One line of a scenario's table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What is sent.
        sound: Whether each API did what a sound one does; None where it refuses such by design.
        stopped: Which obligations refused it at the guarded API.
    """

    id: str
    title: str
    sound: Sequence[bool | None]
    stopped: str = ""

    @property
    def is_honest(self) -> bool:
        """Say whether it must go through."""
        return self.id.startswith("H")


@dataclass
class Scenario:
    """A scenario that was played: its table, and what the reader may ask of it.

    Args:
        title: Of the scenario.
        rows: Its table.
        notes: What one must know to read it.
        left_out: Attacks of the catalogue that it doesn't send, each with why.
        review: Prints the answers of the guarded API's declarations.
        doors: What a visitor may send to while the processes are kept: name and URL.
        apps: Makes its guarded APIs once more, to be looked at: they aren't started.
        events: The logs of those that were attacked.
    """

    title: str
    rows: Sequence[Row]
    notes: Sequence[str]
    left_out: dict[str, str]
    review: Callable[[], None]
    doors: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])
    apps: Callable[[], Sequence[object]] = tuple
    events: Sequence[Path] = ()

    @property
    def has_held(self) -> bool:
        """Say whether the guarded API stopped every attack and let everything honest through."""
        place = KINDS.index(GUARDED)
        return bool(self.rows) and all(row.sound[place] is True for row in self.rows)

    def print_table(self) -> None:
        """Print every row, then the notes, and what isn't there."""
        print(f"\n{self.title}\n")
        head = "".join(f"{kind:<12}" for kind in KINDS)
        print(f"{'':<7}{'what is sent':<53}{head}stopped by")
        for row in self.rows:
            cells = "".join(f"{_word(row, ok):<12}" for ok in row.sound)
            print(f"{row.id:<7}{row.title:<53}{cells}{row.stopped}")
        for note in self.notes:
            print(note)
        for name, why in self.left_out.items():
            print(f"{name} isn't sent: {why}.")

    def print_totals(self) -> None:
        """Print one line for each API."""
        attacks = [row for row in self.rows if not row.is_honest]
        honest = [row for row in self.rows if row.is_honest]
        for place, kind in enumerate(KINDS):
            tricked = sum(row.sound[place] is False for row in attacks)
            lost = sum(row.sound[place] is False for row in honest)
            print(
                f"{kind}: {tricked} of {len(attacks)} attacks succeeded, "
                f"{lost} honest deliveries wrong"
            )


def _word(row: Row, ok: bool | None) -> str:  # noqa: FBT001  a cell
    if ok is None:
        return _REFUSES
    good, bad = ("through", "WRONG") if row.is_honest else ("held", "TRICKED")
    return good if ok else bad


def stopped_by(answers: Sequence[httpx.Response], events: Path) -> str:
    """Say which obligations refused, in order: from the problem, else from the event."""
    sink = JsonLines(events)
    found: dict[str, None] = {}
    for answer in answers:
        if answer.headers.get("content-type") == "application/problem+json":
            problem = answer.json()
            obligation = problem["type"].rpartition(":")[2]
            found[f"{obligation} {problem.get('code', '')}".strip()] = None
            continue
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            found["rolled back"] = None
            continue
        record = sink.find(answer.headers.get("crossing-id", ""))
        if record is not None and record.code:
            found[f"{record.obligation} {record.code}"] = None
    return ", ".join(found)
