"""A declared crossing point: what it owes, what discharges each obligation, and its debts."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from .obligation import BIT, Obligation, bits
from .question import Flow
from .refusal import BoundaryError
from .roots import Goal, Root, Way, independent
from .waiver import Observe, Waiver

if TYPE_CHECKING:
    from .break_glass import BreakGlass
    from .crossing import Crossing
    from .fingerprint import Fingerprints
    from .perimeter import Perimeter
    from .store import Store
    from .watcher import Sample


@dataclass(frozen=True, slots=True)
class Proof:
    """How one obligation is discharged.

    Args:
        obligation: Which one.
        method: How, in one phrase for the report: "HMAC-SHA256 over time and content".
        ways: The alternatives in which it can be made to lie, each a set of roots that must be
            owned together.
        where: File and line of our user's own callable, "" where the method is ours. Such a proof
            is run, not judged.
        at: When it was done (UTC); None in a declaration.
    """

    obligation: Obligation
    method: str
    ways: tuple[Way, ...]
    where: str = ""
    at: datetime | None = None

    @property
    def roots(self) -> tuple[Root, ...]:
        """Return every root that it rests on, sorted."""
        return tuple(sorted({root for way in self.ways for root in way}, key=str))

    def done(self, at: datetime) -> "Proof":
        """Return the same proof, discharged at *at*."""
        return replace(self, at=at)


@dataclass(frozen=True, slots=True)
class Declaration:
    """One kind of claim that a boundary lets cross: a webhook's event type, a route's action.

    Args:
        name: Its name within the boundary: "invoice.paid".
        proofs: What discharges each obligation.
        waivers: What isn't proven for a time.
        effect: File and line of what it changes; "" where it changes nothing, or where a view of
            the application does (fact "acts").
        facts: More for the reviewer, name and sentence.
        also_owes: What it owes beyond its boundary: an answer that decides something owes
            `confirmed` too.
    """

    name: str
    proofs: tuple[Proof, ...]
    waivers: tuple[Waiver, ...] = ()
    effect: str = ""
    facts: dict[str, str] = field(default_factory=dict[str, str])
    also_owes: frozenset[Obligation] = frozenset()

    def proven(self) -> int:
        """Return the obligations that have a proof, as bits."""
        return bits(proof.obligation for proof in self.proofs)

    def is_waived(self, obligation: Obligation) -> bool:
        """Say whether the obligation is waived."""
        return any(waiver.obligation is obligation for waiver in self.waivers)

    def owed(self, owes: int, at: datetime) -> int:
        """Return what a crossing at *at* must have discharged.

        That is what is owed less the waivers still in force.
        """
        owes |= bits(self.also_owes)
        for waiver in self.waivers:
            if waiver.holds(at):
                owes &= ~BIT[waiver.obligation]
        return owes


class Receipt(NamedTuple):
    """What a sender must read in the answer, and its media type."""

    content: bytes
    kind: str = "text/plain; charset=utf-8"


class Boundary(ABC):
    """One declared crossing point.

    It doesn't start while an obligation that it owes has neither proof nor waiver.

    Args:
        name: Its name in events, metrics and reports; unique in a perimeter.
        origin: Who originally creates the claim (guide section 12).
        observe: See `pratique.unsafe.observe`.
        independent_roots: How many controllers must fall, at the least, before somebody can invent
            a claim.
    """

    kind: ClassVar[str]
    owes: ClassVar[frozenset[Obligation]]
    can_go_without: ClassVar[frozenset[Obligation]] = frozenset()
    """Obligations whose proof only says yes or no, so that an incident can do without it."""

    def __init__(
        self, name: str, *, origin: str, observe: Observe | None = None, independent_roots: int = 1
    ) -> None:
        self.name = name
        self.origin = origin
        self.observe = observe
        self.independent_roots = independent_roots
        self.owed_bits = bits(self.owes)
        self.is_disabled = False
        """Declared, and off: an optional secret is unset. It answers 404."""
        self.takes_get = False
        """A GET comes to it too: its sender asks by one whether the endpoint is ours."""
        self.receipt: Receipt | None = None
        """What its sender must read to know that a delivery arrived; None where any 2xx says so."""
        self.reads_client_certificate = False
        """Its callers are proven by TLS: a server that can't show their certificate refuses it."""
        self.reads_fields: frozenset[str] = frozenset()
        """Fields of a proxy's, in lower case, that it proves by itself: the edge lets them pass."""
        self.challenge = "Signature"
        """The scheme that a 401 of it names, and its parameters: RFC 9110 §11.6.1."""
        self.perimeter: Perimeter | None = None
        """Where it is declared."""
        self.glass: BreakGlass | None = None
        """What it goes without because of an incident; set at the start."""
        self.fingerprints: Fingerprints | None = None
        """What marks its records; the perimeter's."""

    @abstractmethod
    def declarations(self) -> Sequence[Declaration]:
        """Return what may cross here."""

    @abstractmethod
    def flow(self, crossing: "Crossing") -> Flow[Any]:
        """Return the flow of one crossing. Only once the boundary is started."""

    @abstractmethod
    def prepare(self, store: "Store | None") -> list[str]:
        """Read secrets and compile, without input or output beyond the environment.

        Return the boundary's own debts.
        """

    def close(self) -> None:  # noqa: B027  most have nothing open
        """Let go of what it holds open."""

    def aclose(self) -> "Awaitable[None] | None":
        """Do the same on the event loop; what is returned is awaited."""
        self.close()
        return None

    def samples(self) -> "Iterable[Sample]":
        """Return what it alone can tell of itself now, for metrics. May raise StoreError."""
        return ()

    def asamples(self) -> "Awaitable[Iterable[Sample]] | None":
        """Return what gives the same on the event loop; None where `samples` waits for nobody."""
        return None

    def started(self) -> "Perimeter":
        """Return the perimeter, for a boundary that goes out by itself.

        Raises:
            BoundaryError: it isn't declared in one, or that one hasn't started.
        """
        if self.perimeter is None or not self.perimeter.is_started:
            raise BoundaryError(
                f'Boundary "{self.name}" hasn\'t started: nothing crosses. Declare it in a '
                "perimeter and call perimeter.start(), or guard(app, perimeter)."
            )
        return self.perimeter

    def unbreakable(self, obligation: Obligation) -> str:
        """Say why an incident can't do without the obligation; "" where it can."""
        if not self.owed_bits & BIT[obligation] and not any(
            obligation in declaration.also_owes for declaration in self.declarations()
        ):
            return "it doesn't owe it."
        if obligation in self.can_go_without:
            return ""
        can = ", ".join(str(each) for each in Obligation if each in self.can_go_without)
        return (
            f"a {self.kind} boundary has no value without that proof. It can go without: "
            f"{can or 'nothing'}."
        )

    def exclusive(self) -> dict[str, str]:
        """Return what no other boundary of the perimeter may have too.

        Each comes with the sentence that says the mend.
        """
        return {}

    def debts(self, today: date) -> list[str]:
        """Return every debt of the declarations, one sentence each with its mend."""
        found: list[str] = []
        if not self.name:
            found.append(f"a {self.kind} boundary has no name.")
        declared = self.declarations()
        if not declared:
            found.append(f'Boundary "{self.name}" declares nothing that may cross.')
        for declaration in declared:
            found.extend(self._debts_of(declaration, today))
        if self.observe is not None:
            found.extend(f'Boundary "{self.name}": {debt}' for debt in self.observe.debts(today))
        return found

    def _debts_of(self, declaration: Declaration, today: date) -> list[str]:
        place = f'Boundary "{self.name}" {declaration.name}'.rstrip()
        found = [
            f"{place}: {debt}" for waiver in declaration.waivers for debt in waiver.debts(today)
        ]
        unproven = (self.owed_bits | bits(declaration.also_owes)) & ~declaration.proven()
        found.extend(
            f"{place} owes {obligation.upper()} and has no proof. {self.mend(obligation)} "
            f"{self.instead(obligation)}"
            for obligation in Obligation
            if unproven & BIT[obligation] and not declaration.is_waived(obligation)
        )
        if not unproven and independent(declaration, Goal.INVENT) < self.independent_roots:
            found.append(
                f"{place} rests on {independent(declaration, Goal.INVENT)} controller(s) "
                f"for who could invent a claim, independent_roots={self.independent_roots} "
                "are owed. Confirm it at a source that another party controls."
            )
        return found

    def mend(self, obligation: Obligation) -> str:
        """Say what to pass so that the obligation is discharged."""
        return f"Declare a proof for {obligation}."

    def instead(self, obligation: Obligation) -> str:
        """Say what can stand in the place of that proof for a time, or that nothing can."""
        return (
            f"Or waive it: unsafe.waive({obligation.upper()}, reason=…, owner=…, until=…, bound=…)."
        )
