"""The fetch boundary as a connector of aiohttp: one argument more where a session is made.

    session = aiohttp.ClientSession(connector=FetchConnector(policy))

aiohttp follows redirects itself; each hop comes through here and is gated, counted, and freed of
what was meant for another origin. What is refused is both `Refused` and aiohttp's own exception.
"""

import asyncio
import ssl
from contextvars import ContextVar
from socket import AF_INET, AF_INET6, AI_NUMERICHOST
from typing import Any, Final

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from pratique.core.claim import Fields
from pratique.core.closing import refusal_record
from pratique.core.crossing import Crossing
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import FetchPolicy, Target, gate
from pratique.fetch.budget import too_large_on_the_wire, too_slow
from pratique.fetch.fetcher import Base
from pratique.fetch.flow import require_type, too_large_decoded, too_many
from pratique.fetch.naked import gated
from pratique.fetch.redirect import REDIRECTS, for_anybody, origin, require_hop
from pratique.fetch.shadow import Look

_DECIDED: Final = ("ssl", "verify_ssl", "ssl_context", "resolver", "use_dns_cache", "family")


class RefusedByPolicy(Refused, aiohttp.ClientConnectionError):
    """A refusal that is aiohttp's ClientConnectionError too."""

    def __init__(self, refused: Refused) -> None:
        Refused.__init__(self, **refused.facts())


class _Chain:
    """The hops of one call of a session, a crossing together.

    aiohttp makes one list of traces for each call: by that its hops know each other.
    """

    __slots__ = ("_base", "_crossing", "_is_told", "ends_at", "hops", "target", "traces")

    def __init__(self, base: Base, traces: object, url: str, ends_at: float) -> None:
        self.traces, self.ends_at = traces, ends_at
        self.target: Target | None = None
        self.hops = 0
        self._base = base
        self._crossing = Crossing(base.boundary, base.boundary.claim(url))
        self._crossing.declaration = base.boundary.declarations()[0]
        self._is_told = False

    def refused(self, refused: Refused) -> RefusedByPolicy:
        """Record a refusal, once, and return it as aiohttp's own."""
        error = RefusedByPolicy(refused)
        error.crossing_id = self._crossing.id
        if not self._is_told:
            self._is_told = True
            self._base.recorder.emit(refusal_record(self._crossing, refused)[0], sample=False)
        return error

    def connected(self) -> None:
        """Note that the host is the one that was asked for."""
        self._crossing.discharge(AUTHENTIC)
        self._crossing.discharge(ALLOWED)

    def proven(self) -> None:
        """Record that the content came to its end within its bounds."""
        if not self._is_told:
            self._is_told = True
            self._crossing.discharge(VALID)
            self._base.recorder.emit(self._crossing.record(Outcome.PROVEN), sample=False)


_watching: Final[ContextVar[bool]] = ContextVar("pratique_aiohttp_watching", default=False)
_chain: Final[ContextVar[_Chain | None]] = ContextVar("pratique_aiohttp_chain", default=None)


class FetchConnector(aiohttp.TCPConnector):
    """Connects where the policy says, and refuses the rest. Made inside a running event loop.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
        options: Those of `aiohttp.TCPConnector`, save what decides who is connected to.

    Raises:
        TypeError: an option that the policy decides.
        BoundaryError: the policy asks for a proxy, or for HTTP/2 alone.
    """

    def __init__(
        self,
        policy: FetchPolicy,
        *,
        name: str = "fetch",
        recorder: Recorder | None = None,
        **options: Any,
    ) -> None:
        decided = sorted(set(_DECIDED) & set(options))
        if decided:
            raise TypeError(f"FetchConnector({', '.join(decided)}): the policy decides that.")
        if policy.proxy is not None or "http/1.1" not in policy.protocols:
            raise BoundaryError(
                "FetchConnector: aiohttp speaks HTTP/1.1, and through no tunnel of ours. "
                "Use AsyncFetcher, or httpx with AsyncFetchTransport."
            )
        super().__init__(use_dns_cache=False, **options)  # pyright: ignore[reportUnknownMemberType]
        self._policy = policy
        self._base = Base(policy, name=name, recorder=recorder)
        self._context = ssl.create_default_context()
        self._checked: dict[type[Any], type[Any]] = {}
        loop = asyncio.get_running_loop()
        bare = self._factory
        self._factory = lambda: bare() if _watching.get() else _Bounded(loop, policy)  # type: ignore[assignment]

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's own signature
    ) -> Connection:
        """Gate a hop, then connect. See `aiohttp.BaseConnector`."""
        if self._policy.observe is not None:
            look = Look(self._base, str(req.url), req.method)
            if look.is_due:
                return await self._watched(look, req, traces, timeout)
        chain = self._chain_of(req, traces)
        try:
            self._gate(req, chain)
        except Refused as refused:
            raise chain.refused(refused) from refused
        of = req.response_class
        if of not in self._checked:  # a session has one, as a rule
            self._checked[of] = _checked(of, self._policy)
        req.response_class = self._checked[of]
        token = gated.set(True)
        try:
            connection = await super().connect(req, traces, timeout)
            while not isinstance(connection.protocol, _Bounded):
                connection.close()  # made while the policy only observed: it knows no bounds
                connection = await super().connect(req, traces, timeout)
        finally:
            gated.reset(token)
        chain.connected()
        connection.protocol.begin(chain)
        return connection

    async def _watched(
        self,
        look: Look,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Connect as aiohttp would by itself, and say what the policy would have done."""
        await look.abefore()
        token = _watching.set(True)
        try:
            connection = await super().connect(req, traces, timeout)
        finally:
            _watching.reset(token)
        look.connected()
        return connection

    def _chain_of(self, req: ClientRequest, traces: list[Trace]) -> _Chain:
        chain = _chain.get()
        if chain is None or chain.traces is not traces:
            ends_at = asyncio.get_running_loop().time() + self._policy.deadline.total_seconds()
            chain = _Chain(self._base, traces, str(req.url), ends_at)
            _chain.set(chain)
        return chain

    def _gate(self, req: ClientRequest, chain: _Chain) -> None:
        policy = self._policy
        target = gate(str(req.url), policy)
        req.proxy = None  # a proxy would look the name up again, and connect elsewhere
        came_from, chain.target = chain.target, target
        if came_from is not None:
            self._follow(req, chain, came_from, target)
        line = policy.credentials_of.line_for(
            scheme=target.scheme, host=target.host, port=target.port
        )
        if line is not None:
            req.headers[line[0]] = line[1]

    def _follow(self, req: ClientRequest, chain: _Chain, came_from: Target, target: Target) -> None:
        policy = self._policy
        chain.hops += 1
        if chain.hops > policy.redirects:
            raise too_many(policy.redirects)
        require_hop(came_from, target, has_content=_has_content(req))
        if origin(came_from) != origin(target):
            lines = tuple((name, "") for name in req.headers)
            kept = {"Host", *(name for name, _ in for_anybody(lines))}
            for name in set(req.headers) - kept:
                del req.headers[name]

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        if _watching.get():
            return super()._get_ssl_context(req)
        # Whatever `ssl=` a request was given: the certificate is checked, by the system's CAs.
        return self._context if req.is_ssl() else None

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        if _watching.get():
            return await super()._resolve_host(host, port, traces)
        chain = _chain.get()
        if chain is None or chain.target is None:  # nobody comes here but through `connect`
            raise RefusedByPolicy(too_slow(0))
        name = chain.target.host
        try:
            addresses = [name]
            if not (":" in name or name.replace(".", "").isdigit()):
                left = chain.ends_at - asyncio.get_running_loop().time()
                addresses = await self._base.lookup.aresolve(name, port, seconds=left)
            checked = self._policy.judge(name, port, addresses)
        except Refused as refused:
            raise chain.refused(refused) from refused
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=AF_INET6 if ":" in address else AF_INET,
                proto=0,
                flags=AI_NUMERICHOST,
            )
            for address in checked
        ]


class _Bounded(ResponseHandler):
    """A connection whose answers are bounded in time and in bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, policy: FetchPolicy) -> None:
        super().__init__(loop)
        self._of_loop = loop
        self._policy = policy
        self._wire = 0
        self._end: asyncio.TimerHandle | None = None
        self.chain: _Chain | None = None

    def begin(self, chain: _Chain) -> None:
        """Begin another exchange: its own bytes, its own deadline."""
        self._wire = 0
        self.chain = chain
        if self._end is not None:
            self._end.cancel()
        self._end = self._of_loop.call_at(chain.ends_at, self._over)

    def data_received(self, data: bytes) -> None:
        self._wire += len(data)
        super().data_received(data)
        payload = self._payload
        if self._wire > self._policy.max_wire_bytes:
            self._refuse(too_large_on_the_wire(self._policy.max_wire_bytes))
        elif payload is not None and payload.total_bytes > self._policy.max_content_bytes:
            self._refuse(too_large_decoded(self._policy.max_content_bytes))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(exc)

    def _over(self) -> None:
        payload = self._payload
        is_idle = payload is not None and payload.is_eof()
        if not is_idle:
            self._refuse(too_slow(self._policy.deadline.total_seconds()))

    def _refuse(self, refused: Refused) -> None:
        error = self.chain.refused(refused) if self.chain is not None else RefusedByPolicy(refused)
        payload = self._payload
        if payload is not None:
            payload.set_exception(error)
        self.set_exception(error)
        self.close()


def _checked(of: type[Any], policy: FetchPolicy) -> type[Any]:
    """Return a response class that also refuses content of a type that isn't declared."""
    start = of.start

    async def checked(self: Any, connection: Any) -> Any:
        chain: _Chain = connection.protocol.chain
        await start(self, connection)
        if self.status in REDIRECTS and "Location" in self.headers:
            return self
        lines = [
            (name, value)
            for name in ("Content-Type", "Content-Length")
            for value in self.headers.getall(name, ())
        ]
        try:
            require_type(self.status, Fields(lines), policy)
        except Refused as refused:
            raise chain.refused(refused) from refused
        self.content.on_eof(chain.proven)
        return self

    return type(of.__name__, (of,), {"start": checked})


def _has_content(req: ClientRequest) -> bool:
    body: Any = req.body
    return body is not None and body != b"" and getattr(body, "size", 1) != 0
