"""The fetch boundary: declares what may be fetched, and fetches it."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar, Final

from pratique.core.boundary import Boundary, Declaration, Proof
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import Crossing
from pratique.core.forks import renew_after_fork
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError
from pratique.core.roots import OWN_CODE, Root, RootKind, Way, ways
from pratique.core.store import Store

from .budget import Budget, current
from .flow import Arrived, Response, arrive, fetch
from .policy import FetchPolicy

if TYPE_CHECKING:
    from .fetcher import AsyncFetcher, Fetcher

Lines = Sequence[tuple[str, str]]
WEB_CA: Final = Root(
    RootKind.CA, "web certificate authorities", controller="any web certificate authority"
)
NETWORK: Final = Root(
    RootKind.NETWORK, "the network in between", controller="whoever sits in between"
)
RESOLVER: Final = Root(RootKind.DNS, "our resolver", controller="our resolver")
_NO_FIELDS: Final = Fields()
_UNSAID: Final = Via(scheme="", method="GET", target="")
"""Where another library keeps what it asks for, and goes through the gate by itself."""
OF_A_HOP: Final = frozenset({"host", "connection", "accept-encoding", "transfer-encoding"})
"""Fields that belong to a hop, not to a request: ours alone say them."""


def way_out_debts() -> list[str]:
    """Say at the start, not at a fetch, what the way out lacks: the library, the file of CAs."""
    found: list[str] = []
    try:
        import_module("pratique.fetch.wire.core")
    except BoundaryError as error:
        found.extend(error.debts)
    authorities = os.environ.get("SSL_CERT_FILE")
    if authorities and not Path(authorities).is_file():
        found.append(
            "SSL_CERT_FILE names a file that isn't there, so that no host could prove its name. "
            "Name a file of CA certificates, or unset it."
        )
    return found


class Fetch(Boundary):
    """Fetches URLs that somebody else influences; the policy alone says where they may lead.

    Args:
        name: Its name in events, metrics and reports.
        policy: What may be fetched.
    """

    kind: ClassVar[str] = "fetch"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, ALLOWED, VALID})

    def __init__(self, name: str, policy: FetchPolicy) -> None:
        origin = "whoever named the URL; the host that answers"
        super().__init__(name, origin=origin, observe=policy.observe)
        self.policy = policy
        self._declared = (self._declaration(),)
        self._sync: Fetcher | None = None
        self._asynchronous: AsyncFetcher | None = None
        self._lock = Lock()
        renew_after_fork(self, _lock=Lock)

    def get(self, url: str, *, fields: Lines = (), principal: str = "") -> Proven[Response]:
        """Return what the URL leads to, as a crossing of the perimeter. See `Fetcher.get`.

        Raises:
            Refused: AUTHENTIC, ALLOWED or VALID.
            BoundaryError: the perimeter hasn't started.
        """
        return self._fetcher().get(url, fields=fields, principal=principal)

    async def aget(self, url: str, *, fields: Lines = (), principal: str = "") -> Proven[Response]:
        """Do the same on the event loop."""
        return await self._async_fetcher().get(url, fields=fields, principal=principal)

    def post(
        self,
        url: str,
        *,
        content: bytes,
        fields: Lines = (),
        principal: str = "",
        seconds: float | None = None,
    ) -> Proven[Response]:
        """Send content. See `get`; *seconds*: less than the policy's deadline, for this one."""
        fetcher = self._fetcher()
        return fetcher.post(
            url, content=content, fields=fields, principal=principal, seconds=seconds
        )

    async def apost(
        self,
        url: str,
        *,
        content: bytes,
        fields: Lines = (),
        principal: str = "",
        seconds: float | None = None,
    ) -> Proven[Response]:
        """Do the same on the event loop."""
        fetcher = self._async_fetcher()
        return await fetcher.post(
            url, content=content, fields=fields, principal=principal, seconds=seconds
        )

    def close(self) -> None:
        """Close the connections of the sync fetcher."""
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    async def aclose(self) -> None:
        """Close every connection."""
        self.close()
        if self._asynchronous is not None:
            await self._asynchronous.aclose()
            self._asynchronous = None

    def _fetcher(self) -> "Fetcher":
        recorder = self.started().recorder
        with self._lock:
            if self._sync is None:
                from .fetcher import Fetcher

                self._sync = Fetcher.of(self, recorder)
            return self._sync

    def _async_fetcher(self) -> "AsyncFetcher":
        recorder = self.started().recorder
        if self._asynchronous is None:
            from .fetcher import AsyncFetcher

            self._asynchronous = AsyncFetcher.of(self, recorder)
        return self._asynchronous

    def declarations(self) -> Sequence[Declaration]:
        """Return the one kind of claim that crosses here: an answer."""
        return self._declared

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Read the secrets, look at the way out: beyond them a policy is whole or isn't made."""
        # An observed policy is an adapter's, and that of aiohttp needs no library of ours.
        missing = way_out_debts() if self.policy.observe is None else []
        debts = [*missing, *self.policy.unread()]
        return [f'Boundary "{self.name}": {debt}' for debt in debts]

    def flow(self, crossing: Crossing) -> Flow[Proven[Response]]:
        """Fetch what the claim names: its target is the URL, its content is what is sent."""
        crossing.declaration = self._declared[0]
        return fetch(crossing, self.policy, current.get() or self.budget())

    def arrival(self, crossing: Crossing) -> Flow[Arrived]:
        """Go where the claim leads, for a library that reads the content by itself."""
        crossing.declaration = self._declared[0]
        return arrive(crossing, self.policy)

    def budget(self, *, principal: str = "", seconds: float | None = None) -> Budget:
        """Return what one fetch may spend: the policy's deadline, or less where less is asked."""
        most = self.policy.deadline.total_seconds()
        return Budget(min(most, seconds or most), self.policy.max_wire_bytes, principal)

    def claim(
        self,
        url: str,
        *,
        method: str = "GET",
        lines: Iterable[tuple[str, str]] = (),
        content: bytes = b"",
    ) -> Claim:
        """Return the claim of one fetch: what somebody wants fetched, not yet believed."""
        if not url:
            return Claim(content, _NO_FIELDS, datetime.now(UTC), _UNSAID)
        kept = [line for line in lines if line[0].lower() not in OF_A_HOP]
        via = Via(scheme="", method=method, target=url)
        return Claim(content, Fields(kept) if kept else _NO_FIELDS, datetime.now(UTC), via)

    def _declaration(self) -> Declaration:
        policy = self.policy
        hosts = "any host of the open internet" if policy.is_public else "the hosts that it names"
        ports = ", ".join(map(str, sorted(policy.open_ports)))
        types = ", ".join(sorted(policy.content_types))
        return Declaration(
            name="fetch",
            proofs=(
                self._authentic(),
                self._allowed(f"{hosts}, ports {ports}, each hop gated"),
                Proof(
                    VALID,
                    f"{types}; at most {policy.max_wire_bytes} bytes on the wire, "
                    f"{policy.max_content_bytes} decoded, {policy.deadline.total_seconds():g} s",
                    ways(OWN_CODE),
                ),
            ),
            facts={
                "outbound": f"the URL says where to go, and the policy where it may: {hosts}",
                "forwarded": "no header of ours is made from a claim",
                "internal": "; ".join(
                    f"{way.host}:{way.port} in {way.network}: {way.reason}"
                    for way in policy.internal
                )
                or "no way to a service of our own",
                "credentials": ", ".join(self.policy.credentials_of.hosts()) or "none",
            },
        )

    def _allowed(self, words: str) -> Proof:
        proxy = self.policy.proxy
        if proxy is not None and proxy.enforces:
            told = f"{words}; addresses by the egress proxy {proxy.host} alone: {proxy.enforces}"
            return Proof(ALLOWED, told, ways(proxy.root, OWN_CODE))
        judged = "every address of a name judged and only those connected to"
        if proxy is None:
            return Proof(ALLOWED, f"{words}, {judged}", ways(RESOLVER, OWN_CODE))
        told = f"{words}, {judged}, through the egress proxy {proxy.host}: {proxy.reason}"
        return Proof(ALLOWED, told, ways(RESOLVER, OWN_CODE, proxy.root))

    def _authentic(self) -> Proof:
        if "http" in self.policy.schemes:
            return Proof(
                AUTHENTIC,
                "over http nothing but the address that the name led to",
                (*ways(NETWORK, RESOLVER), *ways(WEB_CA)),
            )
        found: tuple[Way, ...] = ways(WEB_CA)
        return Proof(AUTHENTIC, "TLS: the certificate proves the host that was asked for", found)
