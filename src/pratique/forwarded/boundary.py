"""The forwarded boundary: what crosses is where a request comes from, said by a proxy."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from time import perf_counter
from typing import ClassVar, Final, Literal, NamedTuple

from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.claim import Claim, Fields
from pratique.core.crossing import Crossing, renewed
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import OWN_CODE, Root, RootKind, Way, ways
from pratique.core.store import Store
from pratique.core.waiver import Observe
from pratique.core.watcher import Sample

from .origin import Origin, origin_of
from .policy import ProxyPolicy
from .strip import Stripper
from .trusted import UNIX

CONNECTION: Final = Root(RootKind.NETWORK, "the connection", controller="whoever sits in between")
_NO_FIELDS: Final = Fields()
Recorded = Literal["refused", "every"]


class Judged(NamedTuple):
    """What is made of one request: pure, the same for the next that says the same."""

    origin: Origin
    stripped: tuple[str, ...]
    """Names of the fields that stay outside, in lower case."""
    anew: dict[str, str]
    """Fields that said something else than was proven, and what they are to say."""


class Crossed(NamedTuple):
    """A request that crossed."""

    proven: Proven[Origin]
    judged: Judged


class Forwarded(Boundary):
    """Says of each request where it comes from: client, scheme, host.

    Args:
        name: Its name in events, metrics and reports.
        policy: Whose word is taken, and for what.
        record: "refused": what crosses is counted, and a record is made of what is refused or
            stripped; "every": a record of each request.
        observe: From `pratique.unsafe.observe`: it judges and records, and every request goes on as
            it came, until then.

    Raises:
        BoundaryError: `record` is another word.
    """

    kind: ClassVar[str] = "forwarded"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, ALLOWED, VALID})

    def __init__(
        self,
        name: str,
        policy: ProxyPolicy,
        *,
        record: Recorded = "refused",
        observe: Observe | None = None,
    ) -> None:
        if record not in ("refused", "every"):
            raise BoundaryError('Forwarded(record=…) is "refused" or "every".')
        origin = (
            "the proxy that is the peer of the connection; left of it, whoever sent the request"
        )
        super().__init__(name, origin=origin, observe=observe)
        self.policy = policy
        self.records_every = record == "every"
        self.stripper = Stripper(policy)
        self._declared = (self._declaration(),)
        self._label = (name, self.kind, Outcome.PROVEN.value, "", "")

    def cross(self, claim: Claim) -> Crossed | None:
        """Return where a request comes from, as a crossing of the perimeter.

        No driver takes part: nothing is asked, and it is owed by every request.

        Args:
            claim: Without content; `via` says peer, scheme ("ws" for a WebSocket) and target.

        Returns:
            None where the boundary only observes.

        Raises:
            Refused: with status 400.
            BoundaryError: the perimeter hasn't started.
        """
        perimeter, began, outcome = self.started(), perf_counter(), Outcome.REFUSED
        try:
            crossed, outcome = self._cross(claim)
        finally:
            perimeter.measures.crossed(self.name, outcome, perf_counter() - began)
        return crossed

    def cross_again(self, crossed: Crossed, at: datetime) -> Proven[Origin] | None:
        """Let a request cross for which the same was said as for one that crossed before.

        Nothing is judged anew, and so no duration is measured: it would cost half as much again.

        Args:
            crossed: Of this boundary; its request had the same peer, scheme and fields of the
                family and of framing, and a target that is a path, as this one's.
            at: When this request reached us. UTC.

        Returns:
            None where the boundary only observes.

        Raises:
            BoundaryError: the perimeter hasn't started.
        """
        perimeter = self.perimeter
        if perimeter is None or not perimeter.is_started:  # at each request: no call where it has
            perimeter = self.started()
        if self.observe is not None and self.observe.holds(at):
            perimeter.refuse(self, _observed())
            return None
        judged = crossed.judged
        if judged.stripped or self.records_every:
            crossing = Crossing(self, Claim(b"", _NO_FIELDS, at))
            proven = self._mint(crossing, judged.origin)
            self._note(crossing, judged)
            return proven
        perimeter.tally.add(self._label)
        return renewed(crossed.proven, at)

    def _cross(self, claim: Claim) -> tuple[Crossed | None, Outcome]:
        try:
            judged = self._judge(claim)
        except Refused as refused:
            self.refuse(refused)
            return None, Outcome.WOULD_REFUSE
        except Exception as error:  # noqa: BLE001  fail closed: a mistake of ours refuses
            self.refuse(_internal(error))
            return None, Outcome.WOULD_REFUSE
        crossing = Crossing(self, claim)
        if crossing.observing:
            self.started().refuse(self, _observed())
            return None, Outcome.WOULD_ADMIT
        proven = self._mint(crossing, judged.origin)
        self._note(crossing, judged)
        return Crossed(proven, judged), Outcome.PROVEN

    def samples(self) -> Iterable[Sample]:
        """Return how often each field was stripped, as the records name it."""
        for name, times in self.stripper.counted().items():
            yield Sample("pratique_forwarded_stripped_total", {"header": name}, times)

    def _note(self, crossing: Crossing, judged: Judged) -> None:
        """Count a crossing, or make a record of it."""
        perimeter = self.started()
        if judged.stripped:
            self.stripper.count(judged.stripped)
            crossing.remark = ("stripped", self.stripper.told(judged.stripped))
            perimeter.recorder.emit(crossing.record(Outcome.PROVEN), sample=not self.records_every)
        elif self.records_every:
            perimeter.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        else:
            perimeter.tally.add(self._label)

    def refuse(self, refused: Refused) -> None:
        """Record a refusal, and raise it unless the boundary only observes.

        Raises:
            Refused: the same one.
        """
        perimeter = self.started()
        perimeter.refuse(self, refused)
        if self.observe is None or not self.observe.holds(perimeter.clock()):
            raise refused

    def _judge(self, claim: Claim) -> Judged:
        via, fields = claim.via, claim.fields
        origin = origin_of(via.peer, fields, self.policy, scheme=via.scheme, target=via.target)
        stripped = self.stripper.stripped(fields.by_name, via.peer)
        anew = self.stripper.told_anew(fields.by_name, origin)
        for name in stripped:
            anew.pop(name, None)
        return Judged(origin, stripped, anew)

    def _mint(self, crossing: Crossing, origin: Origin) -> Proven[Origin]:
        crossing.declaration = self._declared[0]
        crossing.done = self.owed_bits  # origin_of proves all three, or refuses
        return crossing.prove(origin)

    def flow(self, crossing: Crossing) -> Flow[Proven[Origin]]:
        """Return where the claim comes from: a flow that asks nothing."""
        return self._mint(crossing, self._judge(crossing.claim).origin)
        yield  # a generator, as each flow is

    def declarations(self) -> Sequence[Declaration]:
        """Return the one kind of claim that crosses here: where a request comes from."""
        return self._declared

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Need nothing: a policy is whole or isn't made."""
        return []

    def exclusive(self) -> dict[str, str]:
        """Return that a request comes through one edge."""
        return {
            "forwarded": "two Forwarded boundaries would say of one request where it comes from. "
            "Declare one, with every network of your proxies."
        }

    def _declaration(self) -> Declaration:
        policy = self.policy
        proxies = ", ".join(policy.peers.names)
        believed = ", ".join(sorted(policy.declared))
        hosts = ", ".join(policy.hosts)
        if proxies:
            how = f"the peer of the connection is in {proxies}, or is itself the client"
            told = f"{believed or 'none'}, from {proxies}; every other one is stripped"
        else:
            how = "the peer of the connection is the client"
            told = "no: there is no proxy, and they are stripped"
        lenient: list[str] = []
        if policy.missing == "peer":
            lenient.append('missing="peer": without its fields a proxy is itself the client')
        if policy.internal_clients:
            lenient.append("internal_clients: whoever is in the networks can name another client")
        return Declaration(
            name="origin",
            proofs=(
                Proof(AUTHENTIC, how, self._roots()),
                Proof(ALLOWED, f"the host is one of {hosts}", ways(OWN_CODE)),
                Proof(
                    VALID, "one grammar and one value a fact, read from the right", ways(OWN_CODE)
                ),
            ),
            facts={
                "outbound": f"links that the application makes name one of {hosts}",
                "forwarded": told,
                "opt-outs": "; ".join(lenient) or "none",
            },
        )

    def _roots(self) -> tuple[Way, ...]:
        names = self.policy.peers.names
        return ways(CONNECTION, *(_root(name) for name in names))


def _root(name: str) -> Root:
    if name == UNIX:
        return Root(RootKind.NETWORK, name, controller="whoever may open our socket")
    return Root(RootKind.NETWORK, name, controller=f"whoever is in {name}")


def _observed() -> Refused:
    return Refused(
        ALLOWED,
        "the boundary only observes: it mints nothing",
        code="observed",
        answer=Answer.ACKNOWLEDGE,
    )


def _internal(error: Exception) -> Refused:
    return Refused(
        VALID,
        f"{type(error).__name__} while the origin was judged",
        code="internal",
        hint="a mistake of ours: report it",
        status=400,
    )
