"""The connector: gates each hop, connects to checked addresses, hands out bounded connections."""

import asyncio
import re
import ssl
from collections.abc import Coroutine
from socket import AF_INET, AF_INET6, AI_NUMERICHOST
from typing import Any, Final, TypeVar, cast

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.hdrs import ACCEPT_ENCODING as ASKED
from aiohttp.hdrs import HOST
from aiohttp.tracing import Trace

from pratique.core.memo import Memo
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import FetchPolicy, Target, gate
from pratique.fetch.adapting import (
    ACCEPT_ENCODING,
    Base,
    Look,
    for_anybody,
    gated,
    is_literal,
    origin,
    require_hop,
    require_method,
    too_many_redirects,
    too_slow,
)

from .bounded import Bounded
from .chain import Chain, OverDeadline, TooLate, chain_in_hand, ungated, watching

T = TypeVar("T")
_DECIDED: Final = ("ssl", "verify_ssl", "ssl_context", "resolver", "use_dns_cache", "family")
KNOWN: Final = 1024
"""Origins whose gate is remembered."""
MAX_PATH: Final = 4096
"""Characters of path and query above which the whole URL is gated again, for its length."""
_ends_a_line: Final = re.compile(r"[\x00-\x20\x7f]").search


class FetchConnector(aiohttp.TCPConnector):
    """Connects where the policy says, and refuses the rest. Made inside a running event loop.

    Args:
        policy: What may be fetched.
        name: Its name in events.
        recorder: Where records go: `perimeter.recorder`; by default the logger "pratique".
        options: Those of `aiohttp.TCPConnector`, save what decides who is connected to.

    Raises:
        BoundaryError: an option that the policy decides; a policy that asks for a proxy, or for
            HTTP/2 alone.
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
            raise BoundaryError(
                f"FetchConnector({', '.join(decided)}): the policy decides that. Leave it out."
            )
        if policy.proxy is not None or "http/1.1" not in policy.protocols:
            raise BoundaryError(
                "FetchConnector: aiohttp speaks HTTP/1.1, and through no tunnel of ours. "
                "Use AsyncFetcher, or httpx with AsyncFetchTransport."
            )
        super().__init__(use_dns_cache=False, **options)  # pyright: ignore[reportUnknownMemberType]
        self._policy = policy
        self._base = Base(policy, name=name, recorder=recorder)
        self._known = Memo[tuple[str, str | None, int | None], Target](KNOWN)
        self._has_credentials = bool(policy.credentials_of)
        self._seconds = policy.deadline.total_seconds()
        self._context = ssl.create_default_context()
        loop = asyncio.get_running_loop()
        bare = self._factory
        self._factory = lambda: bare() if watching.get() else Bounded(loop, policy)  # type: ignore[assignment]

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
            chain = self._enter(req, traces)
            connection = await super().connect(req, traces, timeout)
            protocol: Any = connection.protocol
            protocol.begin(chain)
            return connection
        except OverDeadline as late:
            return cast("Connection", TooLate(late))

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
            token = watching.set(True)
            try:
                connection = await super().connect(req, traces, timeout)
            finally:
                watching.reset(token)
            look.connected()
            return connection
        chain = self._enter(req, traces)
        connection = await super().connect(req, traces, timeout)
        while not isinstance(connection.protocol, Bounded):
            connection.close()  # made while the policy only observed: it knows no bounds
            connection = await super().connect(req, traces, timeout)
        connection.protocol.begin(chain)
        return connection

    def _enter(self, req: ClientRequest, traces: list[Trace]) -> Chain:
        """Gate a hop."""
        chain = self._chain_of(traces)
        try:
            self._gate(req, chain)
        except Refused as refused:
            raise chain.refused(refused) from refused
        return chain

    async def _create_connection(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> ResponseHandler:
        token = gated.set(not watching.get())
        try:
            return await super()._create_connection(req, traces, timeout)
        finally:
            gated.reset(token)

    def _chain_of(self, traces: list[Trace]) -> Chain:
        chain = chain_in_hand.get()
        if chain is None or chain.traces is not traces:
            chain = Chain(self._base, traces, self._loop.time() + self._seconds)
            chain_in_hand.set(chain)
        return chain

    def _gate(self, req: ClientRequest, chain: Chain) -> None:
        policy, url = self._policy, req.url
        require_method(req.method)
        # aiohttp sends the URL as yarl wrote it, so that a verdict is one about its origin; only
        # URL(…, encoded=True) holds what yarl didn't write.
        spelt = url.scheme, url.raw_host, url.explicit_port
        target = self._known.get(spelt)
        path = url.raw_path_qs
        if target is None or len(path) > MAX_PATH or _ends_a_line(path) is not None:
            target = self._known.keep(spelt, gate(str(url), policy))
        req.proxy = None  # a proxy would look the name up again, and connect elsewhere
        req.server_hostname = None  # the certificate proves the gated name, and no other
        headers = req.headers
        if headers.getall(HOST, ()) != [target.authority]:
            headers[HOST] = target.authority
        if headers.getall(ASKED, ()) != [ACCEPT_ENCODING]:
            headers[ASKED] = ACCEPT_ENCODING
        came_from, chain.target = chain.target, target
        if came_from is not None:
            self._follow(req, chain, came_from, target)
        if not self._has_credentials:
            return
        line = policy.credentials_of.line_for(
            scheme=target.scheme, host=target.host, port=target.port
        )
        if line is not None:
            req.headers[line[0]] = line[1]

    def _follow(self, req: ClientRequest, chain: Chain, came_from: Target, target: Target) -> None:
        policy = self._policy
        chain.hops += 1
        if chain.hops > policy.redirects:
            raise too_many_redirects(policy.redirects)
        require_hop(came_from, target, has_content=_has_content(req))
        chain.has_left = chain.has_left or origin(came_from) != origin(target)
        if chain.has_left:
            lines = tuple((name, "") for name in req.headers)
            kept = {"Host", *(name for name, _ in for_anybody(lines))}
            for name in set(req.headers) - kept:
                del req.headers[name]

    def _get_ssl_context(self, req: ClientRequest) -> ssl.SSLContext | None:
        if watching.get():
            return super()._get_ssl_context(req)
        # Whatever `ssl=` a request was given: the certificate is checked, by the system's CAs.
        return self._context if req.is_ssl() else None

    async def _resolve_host(self, host: str, port: int, traces: Any = None) -> list[ResolveResult]:
        if watching.get():
            return await super()._resolve_host(host, port, traces)
        chain = chain_in_hand.get()
        if chain is None or chain.target is None:  # nobody comes here but through `connect`
            raise ungated()
        name = chain.target.host
        try:
            addresses = [name]
            if not is_literal(name):
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
        return await self._in_time(bare(*args, **named))

    async def _wait_for_available_connection(self, *args: Any, **named: Any) -> None:
        """Wait for a place in the pool before the deadline: those who hold one may hang."""
        await self._in_time(super()._wait_for_available_connection(*args, **named))

    async def _in_time(self, waiting: Coroutine[Any, Any, T]) -> T:
        chain = chain_in_hand.get()
        if watching.get() or chain is None:
            return await waiting
        until = asyncio.timeout_at(chain.ends_at)
        try:
            async with until:
                return await waiting
        except TimeoutError as error:
            if not until.expired():
                raise  # the session's own
            raise chain.refused(too_slow(self._policy.deadline.total_seconds())) from error


def _has_content(req: ClientRequest) -> bool:
    body: Any = req.body
    return body is not None and body != b"" and getattr(body, "size", 1) != 0
