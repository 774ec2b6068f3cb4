"""The forwarded boundary: what crosses is where a request comes from, said by a proxy."""

from collections.abc import Sequence
from typing import ClassVar, Final, Literal

from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import OWN_CODE, Root, RootKind, Way, ways
from pratique.core.store import Store
from pratique.core.waiver import Observe

from .origin import Origin, origin_of
from .policy import ProxyPolicy
from .strip import Stripper
from .trusted import UNIX

CONNECTION: Final = Root(RootKind.NETWORK, "the connection", controller="whoever sits in between")
Recorded = Literal["refused", "every"]


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

    def cross(self, claim: Claim) -> Proven[Origin] | None:
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
        perimeter = self.started()
        crossing = Crossing(self, claim)
        try:
            proven = self._judge(crossing)
        except Refused as refused:
            if not crossing.observing:
                raise perimeter.refuse(self, refused) from None
            perimeter.refuse(self, refused)
            return None
        except Exception as error:
            raise perimeter.refuse(self, _internal(error)) from error
        stripped = self.stripper.stripped(claim.fields.by_name, claim.via.peer)
        if stripped:
            crossing.remark = ("stripped", self.stripper.told(stripped))
            perimeter.recorder.emit(crossing.record(Outcome.PROVEN), sample=not self.records_every)
        elif self.records_every:
            perimeter.recorder.emit(crossing.record(Outcome.PROVEN), sample=False)
        else:
            perimeter.tally.add(self._label)
        return proven

    def _judge(self, crossing: Crossing) -> Proven[Origin]:
        claim = crossing.claim
        via = claim.via
        crossing.declaration = self._declared[0]
        origin = origin_of(
            via.peer, claim.fields, self.policy, scheme=via.scheme, target=via.target
        )
        crossing.done = self.owed_bits  # origin_of proves all three, or refuses
        return crossing.prove(origin)

    def flow(self, crossing: Crossing) -> Flow[Proven[Origin]]:
        """Return where the claim comes from: a flow that asks nothing."""
        return self._judge(crossing)
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


def _internal(error: Exception) -> Refused:
    return Refused(
        VALID,
        f"{type(error).__name__} while the origin was judged",
        code="internal",
        hint="a mistake of ours: report it",
        status=400,
    )
