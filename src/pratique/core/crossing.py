"""One crossing: what was discharged and how it ended, and the only mint of a Proven."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from .boundary import Boundary, Declaration
from .claim import Claim
from .event import Outcome, Record, new_crossing_id
from .obligation import ALLOWED, AUTHENTIC, BIT, Obligation, named
from .proven import _SEAL, Admitted, Proven  # pyright: ignore[reportPrivateUsage]
from .refusal import Answer, Refused
from .within import current

T = TypeVar("T")
_AUTHENTIC: Final = BIT[AUTHENTIC]
KEY_DIGITS: Final = 32
_NEVER: Final = datetime.fromtimestamp(0, UTC)


class Crossing(msgspec.Struct, eq=False):
    """One claim on its way: knows what was discharged, mints only when nothing owed is missing."""

    boundary: Boundary
    claim: Claim
    id: str = msgspec.field(default_factory=new_crossing_id)
    within: str = msgspec.field(default_factory=current)
    """The crossing inside which it began: of the request that a fetch is made for."""
    context: object = None
    """For whom it is, where a service's token said so: what the next call may be for."""
    declaration: Declaration | None = None
    done: int = 0
    """The obligations that are discharged, as bits."""
    key: bytes = b""
    secret_name: str = ""
    error: str = ""
    marks: tuple[str, ...] = ()
    outcome: Outcome | None = None
    """Of its last record, or that it was minted."""
    party: str = ""
    """Who calls for the subject, where that is somebody else and proven."""
    principal: object = ""
    """For whom it is, as soon as that is proven: what is refused is counted by it."""
    single_use: tuple[bytes, ...] = ()
    """Keys of what was shown and works once: a token, by its `jti`."""
    remark: tuple[str, str] = ("", "")
    """Code and detail of what is worth saying of a crossing that is proven."""
    observing: bool = False
    excused: int = 0
    """What isn't asked for because of an incident, as bits."""
    incident: str = ""

    def __post_init__(self) -> None:
        boundary = self.boundary
        if boundary.fingerprints is not None:
            self.marks = boundary.fingerprints.of_claim(self.claim)
        if boundary.observe is not None:
            self.observing = boundary.observe.holds(self.claim.received_at)
        glass = boundary.glass
        if glass is not None and glass.holds(self.claim.received_at):
            self.excused, self.incident = BIT[glass.obligation], glass.incident

    def __repr__(self) -> str:
        """Return its id alone: what it holds isn't proven."""
        return f"Crossing({self.id})"

    @property
    def is_authentic(self) -> bool:
        """Say whether the sender is known by now: a refusal is durable then, up to a bound."""
        return bool(self.done & _AUTHENTIC)

    def owns(self, refused: Refused) -> Refused:
        """Let a refusal name this crossing and how its boundary is to be convinced; return it."""
        realm = self.boundary.name.replace("\\", "\\\\").replace('"', '\\"')
        refused.crossing_id = self.id
        scheme, _, more = self.boundary.challenge.partition(" ")
        error = f'error="{refused.error}"' if refused.error else ""
        told = filter(None, (f'realm="{realm}"', more, error))
        refused.challenge = f"{scheme} {', '.join(told)}"
        return refused

    def discharge(self, obligation: Obligation) -> None:
        """Note that a proof of *obligation* has run and held."""
        self.done |= BIT[obligation]

    def reopen(self, obligation: Obligation) -> None:
        """Note that a further proof of *obligation* is owed: the one that has run isn't enough."""
        self.done &= ~BIT[obligation]

    def prove(self, value: T) -> Proven[T]:
        """Mint the value, or refuse because something that is owed was never discharged."""
        declaration = self._owing_nothing()
        return Proven(value, declaration.proofs, self.id, self.claim.received_at, seal=_SEAL)

    def admit(self, event: Any, confirmed: Any, linked: Any) -> Admitted[Any, Any, Any]:
        """Mint the event of a state change, with what was confirmed and our own row."""
        declaration = self._owing_nothing()
        return Admitted(
            event,
            declaration.proofs,
            self.id,
            self.claim.received_at,
            confirmed=confirmed,
            linked=linked,
            seal=_SEAL,
        )

    def _owing_nothing(self) -> Declaration:
        # That nothing refused is a poor sign that a check ran (CWE-636): count what was discharged.
        declaration = self.declaration
        if declaration is None:
            raise Refused(AUTHENTIC, "the crossing has no declaration", code="unproven")
        if self.observing:
            raise Refused(
                ALLOWED,
                "the boundary only observes: it mints nothing",
                code="observed",
                answer=Answer.ACKNOWLEDGE,
            )
        owed = (
            declaration.owed(self.boundary.owed_bits, self.claim.received_at)
            if declaration.waivers or declaration.also_owes
            else self.boundary.owed_bits
        )
        missing = owed & ~(self.done | self.excused)
        if missing:
            first = next(named(missing))
            raise Refused(
                first,
                f"{first} is owed and no proof of it has run",
                code="unproven",
                answer=Answer.RETRY,
            )
        self.outcome = Outcome.PROVEN
        return declaration

    def record(
        self, outcome: Outcome, refused: Refused | None = None, *, done: int | None = None
    ) -> Record:
        """Return the compact record of how it ended; *done* where more is discharged by then."""
        self.outcome, boundary, declaration = outcome, self.boundary, self.declaration
        name = declaration.name if declaration is not None else ""
        obligation = hint = ""
        code, detail = self.remark
        if refused is not None:
            obligation, code = refused.obligation.value, refused.code
            detail, hint = refused.detail, refused.hint
        return Record(  # in the order of its fields: names cost half as much again
            self.id,
            self.claim.received_at,
            boundary.name,
            boundary.kind,
            outcome,
            name,
            obligation,
            code,
            detail,
            hint,
            sha256(self.key).hexdigest()[:KEY_DIGITS] if self.key else "",
            self.secret_name,
            _WORDS[self.done if done is None else done],
            self.error,
            self.within,
            self.incident,
            self.marks,
        )


class _Words(dict[int, tuple[str, ...]]):
    """Obligations as words, by their bits; there are 128 combinations at the most."""

    def __missing__(self, done: int) -> tuple[str, ...]:
        self[done] = words = tuple(o.value for o in named(done))
        return words


_WORDS: Final = _Words()


def renewed(proven: Proven[T], at: datetime) -> Proven[T]:
    """Mint what crossed once more, for a claim that says the same. Nothing unproven gets in.

    For a boundary whose proofs look at what is said and at nothing else: no time, store or waiver.

    Args:
        proven: Of a crossing of that boundary.
        at: When the present claim reached us. UTC.
    """
    value, proofs = proven._value, proven._proofs  # pyright: ignore[reportPrivateUsage]  # noqa: SLF001
    return Proven(value, proofs, new_crossing_id(), at, seal=_SEAL)


def vouched(value: T) -> Proven[T]:
    """Mint a value without any proof. Only `pratique.unsafe.vouch` calls this."""
    return Proven(value, (), new_crossing_id(), _NEVER, seal=_SEAL)
