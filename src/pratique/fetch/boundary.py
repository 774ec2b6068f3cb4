"""The fetch boundary: declares what may be fetched, and fetches it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import ClassVar

from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.roots import OWN_CODE, Root, RootKind, Way, ways
from pratique.core.store import Store

from .budget import Budget, current
from .flow import Response, fetch
from .gate import gate
from .policy import FetchPolicy
from .redirect import Request

WEB_CA = Root(
    RootKind.CA, "web certificate authorities", controller="any web certificate authority"
)
NETWORK = Root(RootKind.NETWORK, "the network in between", controller="whoever sits in between")
RESOLVER = Root(RootKind.DNS, "our resolver", controller="our resolver")


class Fetch(Boundary):
    """Fetches URLs that somebody else influences; the policy alone says where they may lead.

    Args:
        name: Its name in events, metrics and reports.
        policy: What may be fetched.
    """

    kind: ClassVar[str] = "fetch"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, ALLOWED, VALID})

    def __init__(self, name: str, policy: FetchPolicy) -> None:
        super().__init__(name, origin="whoever named the URL; the host that answers")
        self.policy = policy
        self._declared = (self._declaration(),)

    def declarations(self) -> Sequence[Declaration]:
        """Return the one kind of claim that crosses here: an answer."""
        return self._declared

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Owe nothing more: a policy is whole or isn't made."""
        return []

    def flow(self, crossing: Crossing) -> Flow[Proven[Response]]:
        """Fetch what the claim names: its target is the URL, its content is what is sent."""
        claim, policy = crossing.claim, self.policy
        crossing.declaration = self._declared[0]
        request = Request(
            gate(claim.via.target, policy), claim.via.method, tuple(claim.fields), claim.content
        )
        budget = current.get() or self.budget()
        return (yield from fetch(crossing, request, policy, budget))

    def budget(self, principal: str = "") -> Budget:
        """Return what one fetch may spend."""
        policy = self.policy
        return Budget(policy.deadline.total_seconds(), policy.max_wire_bytes, principal)

    def claim(
        self,
        url: str,
        *,
        method: str = "GET",
        lines: Sequence[tuple[str, str]] = (),
        content: bytes = b"",
    ) -> Claim:
        """Return the claim of one fetch."""
        via = Via(scheme="", method=method, target=url)
        return Claim(content, Fields(lines), datetime.now(UTC), via)

    def _declaration(self) -> Declaration:
        policy = self.policy
        hosts = "any host of the open internet" if policy.is_public else "the hosts that it names"
        ports = ", ".join(map(str, sorted(policy.open_ports)))
        types = ", ".join(sorted(policy.content_types))
        return Declaration(
            name="fetch",
            proofs=(
                self._authentic(),
                Proof(
                    ALLOWED,
                    f"{hosts}, ports {ports}, each hop gated, "
                    "every address of a name judged and only those connected to",
                    ways(RESOLVER, OWN_CODE),
                ),
                Proof(
                    VALID,
                    f"{types}; at most {policy.max_wire_bytes} bytes on the wire, "
                    f"{policy.max_content_bytes} decoded, {policy.deadline.total_seconds():g} s",
                    ways(OWN_CODE),
                ),
            ),
            facts={
                "internal": "; ".join(
                    f"{way.host}:{way.port} in {way.network}: {way.reason}"
                    for way in policy.internal
                )
                or "no way to a service of our own",
            },
        )

    def _authentic(self) -> Proof:
        if "http" in self.policy.schemes:
            return Proof(
                AUTHENTIC,
                "over http nothing but the address that the name led to",
                (*ways(NETWORK, RESOLVER), *ways(WEB_CA)),
            )
        found: tuple[Way, ...] = ways(WEB_CA)
        return Proof(AUTHENTIC, "TLS: the certificate proves the host that was asked for", found)
