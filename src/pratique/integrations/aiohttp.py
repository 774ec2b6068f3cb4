"""The fetch boundary as a connector of aiohttp: one argument more where a session is made.

    session = aiohttp.ClientSession(connector=FetchConnector(policy))

aiohttp follows redirects itself; each hop comes through here and is gated, counted, and freed of
what was meant for another origin. What is refused is both `Refused` and aiohttp's own exception.
"""

import asyncio
import ssl
from contextvars import ContextVar
from http.client import OK, SWITCHING_PROTOCOLS
from socket import AF_INET, AF_INET6, AI_NUMERICHOST
from typing import Any, Final, NoReturn, cast

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION
from aiohttp.tracing import Trace
from multidict import CIMultiDictProxy

from pratique.core.claim import Fields
from pratique.core.closing import refusal_record
from pratique.core.crossing import Crossing
from pratique.core.event import Outcome
from pratique.core.obligation import ALLOWED, AUTHENTIC, BIT, VALID
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import FetchPolicy, Target, gate
from pratique.fetch.budget import too_large_on_the_wire, too_slow
from pratique.fetch.decode import require_one_coding
from pratique.fetch.fetcher import Base
from pratique.fetch.flow import require_type, too_large_decoded, too_many
from pratique.fetch.naked import gated
from pratique.fetch.redirect import REDIRECTS, for_anybody, origin, require_hop
from pratique.fetch.shadow import Look

_TIMEOUTS: Final = frozenset({"fetch_deadline", "lookup_timeout"})
_DECIDED: Final = ("ssl", "verify_ssl", "ssl_context", "resolver", "use_dns_cache", "family")


class RefusedByPolicy(Refused, aiohttp.ClientConnectionError):
    """A refusal that is aiohttp's ClientConnectionError too."""

    def __init__(self, refused: Refused) -> None:
        Refused.__init__(self, **refused.facts())


class OverDeadline(RefusedByPolicy, aiohttp.ServerTimeoutError):
    """A refusal for time that is aiohttp's ServerTimeoutError, so a TimeoutError, too."""


class _TooLate:
    """Stands for a connection that wasn't made in time, and says so when it is used.

    aiohttp takes each TimeoutError of `connect` for its own, and it would be no refusal any more.
    """

    def __init__(self, refused: OverDeadline) -> None:
        self.protocol = self
        self._refused = refused

    def set_response_params(self, **_: object) -> NoReturn:
        """Raise the refusal: it is the first thing that aiohttp asks of a connection."""
        raise self._refused


class _Chain:
    """The hops of one call of a session, a crossing together.

    aiohttp makes one list of traces for each call: by that its hops know each other.
    """

    __slots__ = ("_base", "_crossing", "ends_at", "hops", "is_told", "target", "traces")

    def __init__(self, base: Base, traces: object, ends_at: float) -> None:
        self.traces, self.ends_at = traces, ends_at
        self.target: Target | None = None
        self.hops = 0
        self._base = base
        self._crossing = Crossing(base.boundary, base.boundary.claim(""))
        self._crossing.declaration = base.boundary.declarations()[0]
        self.is_told = False

    def refused(self, refused: Refused) -> RefusedByPolicy:
        """Record a refusal, once, and return it as aiohttp's own."""
        error = _as_aiohttp(refused)
        error.crossing_id = self._crossing.id
        if not self.is_told:
            self.is_told = True
            self._base.recorder.emit(refusal_record(self._crossing, refused)[0], sample=False)
        return error

    def connected(self) -> None:
        """Note that the host is the one that was asked for."""
        self._crossing.done |= _CONNECTED

    def proven(self) -> None:
        """Record that the content came to its end within its bounds."""
        if not self.is_told:
            self.is_told = True
            self._crossing.discharge(VALID)
            self._base.recorder.emit(self._crossing.record(Outcome.PROVEN), sample=False)


KNOWN: Final = 1024
"""Origins whose gate is remembered; more begin anew."""
MAX_PATH: Final = 4096
"""Characters of path and query above which the whole URL is gated again, for its length."""
_CONNECTED: Final = BIT[AUTHENTIC] | BIT[ALLOWED]
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
        self._known: dict[tuple[str, str | None, int | None], Target] = {}
        self._seconds = policy.deadline.total_seconds()
        self._context = ssl.create_default_context()
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
        try:
            if self._policy.observe is not None:
                return await self._observed(req, traces, timeout)
            self._enter(req, traces)
            return await super().connect(req, traces, timeout)
        except OverDeadline as late:
            return cast("Connection", _TooLate(late))

    async def _observed(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Connect as aiohttp would by itself, and say what would have been refused; or enforce."""
        look = Look(self._base, str(req.url), req.method)
        if look.is_due:
            await look.abefore()
            token = _watching.set(True)
            try:
                connection = await super().connect(req, traces, timeout)
            finally:
                _watching.reset(token)
            look.connected()
            return connection
        self._enter(req, traces)
        connection = await super().connect(req, traces, timeout)
        while not isinstance(connection.protocol, _Bounded):
            connection.close()  # made while the policy only observed: it knows no bounds
            connection = await super().connect(req, traces, timeout)
        return connection

    def _enter(self, req: ClientRequest, traces: list[Trace]) -> None:
        """Gate a hop."""
        chain = self._chain_of(traces)
        try:
            self._gate(req, chain)
        except Refused as refused:
            raise chain.refused(refused) from refused

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        token = gated.set(not _watching.get())
        try:
            return await super()._create_connection(req, traces, timeout)
        finally:
            gated.reset(token)

    def _chain_of(self, traces: list[Trace]) -> _Chain:
        chain = _chain.get()
        if chain is None or chain.traces is not traces:
            chain = _Chain(self._base, traces, self._loop.time() + self._seconds)
            _chain.set(chain)
        return chain

    def _gate(self, req: ClientRequest, chain: _Chain) -> None:
        policy, url = self._policy, req.url
        # aiohttp sends the URL as yarl wrote it, so that a verdict is one about its origin.
        spelt = url.scheme, url.raw_host, url.explicit_port
        target = self._known.get(spelt)
        if target is None or len(url.raw_path_qs) > MAX_PATH:
            if len(self._known) >= KNOWN:
                self._known.clear()
            target = self._known[spelt] = gate(str(url), policy)
        req.proxy = None  # a proxy would look the name up again, and connect elsewhere
        came_from, chain.target = chain.target, target
        if came_from is not None:
            self._follow(req, chain, came_from, target)
        if not policy.credentials_of:
            return
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
            raise _as_aiohttp(too_slow(0))
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

    async def _wrap_create_connection(self, *args: Any, **named: Any) -> Any:
        """Connect, and prove who answers, before the deadline: a handshake can hang as well."""
        bare = cast("Any", super()._wrap_create_connection)  # pyright: ignore[reportUnknownMemberType]
        chain = _chain.get()
        if _watching.get() or chain is None:
            return await bare(*args, **named)
        until = asyncio.timeout_at(chain.ends_at)
        try:
            async with until:
                return await bare(*args, **named)
        except TimeoutError as error:
            if not until.expired():
                raise  # the session's own
            raise chain.refused(too_slow(self._policy.deadline.total_seconds())) from error


class _Bounded(ResponseHandler):
    """A connection whose answers are bounded in time and in bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, policy: FetchPolicy) -> None:
        super().__init__(loop)
        self._of_loop = loop
        self._policy = policy
        self._most_wire, self._most_content = policy.max_wire_bytes, policy.max_content_bytes
        self._wire = 0
        self._is_last = False
        """The head of the last hop was admitted, its content isn't read to its end."""
        self._end: asyncio.TimerHandle | None = None
        self.chain: _Chain | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin another exchange: its own bytes, its own deadline.

        One timer a connection, not one an exchange: where it goes off too early, it is set again.
        """
        self._wire, self._is_last = 0, False
        self.chain = chain = _chain.get()
        if chain is None:  # nobody comes here but through `connect`
            raise _as_aiohttp(too_slow(0))
        chain.connected()
        if self._end is None:
            self._end = self._of_loop.call_at(chain.ends_at, self._over)
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Judge the head of an answer before anybody sees it."""
        message, payload = data
        status = message.code
        is_last = status not in REDIRECTS or LOCATION not in message.headers
        if is_last and (status >= OK or status == SWITCHING_PROTOCOLS):
            try:
                _require_head(status, message.headers, self._policy)
            except Refused as refused:
                self._refuse(refused, payload)
                return
            self._is_last = True
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        self._wire += len(data)
        super().data_received(data)
        payload = self._payload
        if self._wire > self._most_wire:
            self._refuse(too_large_on_the_wire(self._most_wire), payload)
        elif payload is not None:
            if payload.total_bytes > self._most_content:
                self._refuse(too_large_decoded(self._most_content), payload)
            elif self._is_last and payload.is_eof():
                self._proven()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end is not None:
            self._end.cancel()
        payload = self._payload
        super().connection_lost(exc)
        # An answer without a length ends with its connection.
        if self._is_last and payload is not None and payload.exception() is None:
            self._proven()

    def _proven(self) -> None:
        self._is_last = False
        if self.chain is not None:
            self.chain.proven()

    def _over(self) -> None:
        self._end, chain = None, self.chain
        if chain is None or chain.is_told:
            return
        if self._of_loop.time() < chain.ends_at:
            self._end = self._of_loop.call_at(chain.ends_at, self._over)
            return
        self._refuse(too_slow(self._policy.deadline.total_seconds()), self._payload)

    def _refuse(self, refused: Refused, payload: Any) -> None:
        error = self.chain.refused(refused) if self.chain is not None else _as_aiohttp(refused)
        if payload is not None:
            payload.set_exception(error)
        self.set_exception(error)
        self.close()
        self._exception = error  # whoever hasn't begun to wait finds it there


def _require_head(status: int, headers: CIMultiDictProxy[str], policy: FetchPolicy) -> None:
    """Refuse content of a type that isn't declared, or in several codings."""
    if CONTENT_ENCODING in headers:
        require_one_coding(headers.getall(CONTENT_ENCODING))
    types = headers.getall(CONTENT_TYPE, ())
    if len(types) == 1 and types[0] in policy.content_types:  # as it stands, without a parameter
        return
    names = (CONTENT_TYPE, CONTENT_LENGTH)
    lines = [(name, value) for name in names for value in headers.getall(name, ())]
    require_type(status, Fields(lines), policy)


def _as_aiohttp(refused: Refused) -> RefusedByPolicy:
    return (OverDeadline if refused.code in _TIMEOUTS else RefusedByPolicy)(refused)


def _has_content(req: ClientRequest) -> bool:
    body: Any = req.body
    return body is not None and body != b"" and getattr(body, "size", 1) != 0
