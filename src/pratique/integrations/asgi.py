"""What every ASGI door shares.

Reading under a cap, building the claim, answering; the guard around an application.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from operator import itemgetter
from typing import Any, Final

from pratique.core import within
from pratique.core.boundary import Boundary
from pratique.core.claim import Claim, Fields, Via
from pratique.core.closing import store_refusal
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused, StoreError, too_large

from .edge import Edge, edge_of
from .limits import DEFAULT_CAP, READ_SECONDS, cut_off, length_of, too_slow
from .reply import Reply, accepted, not_there, refusal
from .shadow import observes
from .tls import server_debt, tls_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY: Final = "pratique.perimeter"
CLAIM_KEY: Final = "pratique.claim"
_first: Final = itemgetter(0)
_HTTP_1: Final = frozenset({"1.0", "1.1"})


def claim_of(scope: Scope, content: bytes, perimeter: Perimeter) -> Claim:
    """Build the claim from an ASGI scope and the raw content.

    Raises:
        Refused: VALID, an impossible field.
    """
    client, raw_path = scope.get("client"), scope.get("raw_path")
    query: bytes = scope.get("query_string", b"")
    target = raw_path.decode("latin-1") if raw_path else scope.get("path", "/")
    if query:
        target = f"{target}?{query.decode('latin-1')}"
    peer = (client[0] or "") if client else ""  # a gateway may know a port, and no address
    scheme = scope.get("scheme", "http")
    return Claim(
        content,
        Fields.of_octets(scope.get("headers", ())),
        perimeter.clock(),
        # In the order of its fields: names cost half as much again.
        Via(peer, scheme, scope.get("method", ""), target, tls_of(scope)),
    )


def read_content(scope: Scope, receive: Receive, cap: int) -> Awaitable[bytes]:
    """Read the content, at most *cap* bytes and `READ_SECONDS` long.

    Never more than that is buffered.

    Raises:
        Refused: VALID, code "too_large" (413), "too_slow" (408), "cut_off" (400).
    """
    fields = scope.get("headers", ())
    names = [*map(_first, fields)]
    if b"content-length" in names:
        for name, value in fields:
            if name == b"content-length":
                length_of(value.decode("latin-1"), cap)
    # RFC 9112 §6.3: without either field no byte of content follows, and nobody is waited for.
    elif b"transfer-encoding" not in names and scope.get("http_version") in _HTTP_1:
        return _read(receive, cap)
    return _read_in_time(receive, cap)


async def _read_in_time(receive: Receive, cap: int) -> bytes:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await _read(receive, cap)
    except TimeoutError:
        raise too_slow() from None


async def _read(receive: Receive, cap: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise cut_off()
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > cap:
            raise too_large(cap)
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def perimeter_of(scope: Scope, boundary: Boundary) -> Perimeter:
    """Return the perimeter around the application, which declares a boundary.

    Raises:
        BoundaryError: the application isn't guarded, or by another perimeter.
    """
    perimeter = scope.get(SCOPE_KEY)
    if not isinstance(perimeter, Perimeter) or boundary.perimeter is not perimeter:
        raise BoundaryError(
            f'Boundary "{boundary.name}" stands in an application that isn\'t guarded: '
            "guard(app, perimeter)."
        )
    return perimeter


async def claim_once(
    scope: Scope, receive: Receive, boundary: Boundary, cap: int = DEFAULT_CAP
) -> tuple[Perimeter, Claim]:
    """Read the claim once a request, whoever of its proofs asks first; return what guards it too.

    They are handed the same one: what may come once came once, however many look at it.

    Args:
        scope: Of the request.
        receive: The server's.
        boundary: In whose name a refusal to read it is recorded.
        cap: Bytes of content.

    Raises:
        Refused: what `read_content` and `claim_of` refuse.
        BoundaryError: see `perimeter_of`.
    """
    perimeter = perimeter_of(scope, boundary)
    known: Claim | None = scope.get(CLAIM_KEY)
    if known is None:
        try:
            content = await read_content(scope, receive, cap)
            known = scope[CLAIM_KEY] = claim_of(scope, content, perimeter)
        except Refused as refused:
            raise perimeter.refuse(boundary, refused)  # noqa: B904  the same refusal, recorded
    return perimeter, known


async def deliver(
    perimeter: Perimeter, boundary: Boundary, scope: Scope, receive: Receive
) -> Reply:
    """Let one request cross a boundary, from its first byte to the answer.

    What the effect itself raises goes on to the framework.
    """
    if boundary.is_disabled:
        return not_there()
    cap = getattr(boundary, "max_content_bytes", DEFAULT_CAP)
    try:
        content = await read_content(scope, receive, cap)
        claim = claim_of(scope, content, perimeter)
    except Refused as refused:
        reply = refusal(perimeter.refuse(boundary, refused))
        if str(scope.get("http_version", "1.1")).startswith("1"):
            reply.fields["connection"] = "close"  # else the server reads the rest, however much
        return reply
    try:
        crossed = await perimeter.aadmit(boundary, claim)
        reply = accepted(crossed.crossing_id, receipt=boundary.receipt)
    except Refused as refused:
        reply = refusal(refused)
    if observes(boundary, claim.received_at):
        reply.shadowed = content
    return reply


async def send_reply(reply: Reply, send: Send) -> None:
    """Send an answer."""
    headers = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.fields.items()
    ]
    headers.append((b"content-length", str(len(reply.content)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})


async def turn_away(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request that may not reach the application, and let go of its connection.

    What follows on the connection may be a request that only one of two programs sees. A WebSocket
    is refused before it is accepted: with the answer where the server can send one, else with 403.
    """
    reply = refusal(refused)
    if str(scope.get("http_version", "1.1")).startswith("1"):
        reply.fields["connection"] = "close"
    if scope["type"] != "websocket":
        await send_reply(reply, send)
        return
    await receive()  # websocket.connect
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return

    async def denied(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    await send_reply(reply, denied)


class Guarded:
    """The outermost ASGI layer: nothing reaches the application before the perimeter has started.

    Lifespan doesn't run in every host (a test client without a context, httpx's ASGITransport, a
    mounted application), so the first request starts the perimeter too; where that is refused, each
    request raises, and while the store is down each is answered 503.

    Args:
        app: What is guarded.
        perimeter: By what.
        check: () -> the debts of its routes.
        has_grown: () -> whether it has other routes than at the last check that found none: its own
            lifespan may add some, and so may whoever holds it later.
    """

    def __init__(
        self,
        app: App,
        perimeter: Perimeter,
        check: Callable[[], list[str]],
        *,
        has_grown: Callable[[], bool] = bool,
    ) -> None:
        self._app = app
        self._perimeter = perimeter
        self._check, self._has_grown = check, has_grown
        self._is_checked = False
        self._starting: asyncio.Lock | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._edge: Edge | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Start the perimeter where it hasn't, then pass the call on."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        is_ready = self._is_checked and self._perimeter.is_started and not self._has_grown()
        if not is_ready and not await self._could_start(scope, send):
            return
        scope[SCOPE_KEY] = self._perimeter
        if self._edge is not None and scope["type"] in ("http", "websocket"):
            try:
                self._edge.enter(scope)
            except Refused as refused:
                await turn_away(refused, scope, receive, send)
                return
            if self._edge.echo is not None and (reply := self._edge.echoed(scope)) is not None:
                await send_reply(reply, send)
                return
        has_answered = False

        def noted_send(message: Message) -> Awaitable[None]:
            nonlocal has_answered
            has_answered = True
            return send(message)

        outer = within.current()
        if outer:  # a call in process is a request like one from outside
            within.go_to("")
        try:
            await self._app(scope, receive, noted_send)
        except Refused as refused:
            if has_answered:  # a second answer is none
                raise
            await send_reply(refusal(refused), send)
        finally:
            within.go_to(outer)

    async def _could_start(self, scope: Scope, send: Send) -> bool:
        try:
            await self._start()
        except StoreError as error:  # it may be there at the next request
            if scope["type"] != "http":
                raise
            await send_reply(refusal(store_refusal(error)), send)
            return False
        return True

    async def _start(self, receive: Receive | None = None) -> None:
        loop = asyncio.get_running_loop()
        if self._starting is None or self._loop is not loop:
            self._starting, self._loop = asyncio.Lock(), loop
        async with self._starting:
            self._edge = edge_of(self._perimeter)
            debts = [*self._check(), *self._blindness(receive)]
            if self._edge is not None:
                debts += self._edge.server_debts(receive)
            if debts:
                raise BoundaryError(*debts)
            await self._perimeter.astart()
            self._is_checked = True

    def _blindness(self, receive: Receive | None) -> list[str]:
        """Say which boundary owes mTLS that this server can't show, where it can be told by now."""
        debt = server_debt(receive) if receive is not None else ""
        return [
            f'Boundary "{boundary.name}" proves its callers by mTLS: {debt}'
            for boundary in self._perimeter.boundaries
            if boundary.reads_client_certificate and debt
        ]

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: BaseException | None = None

        async def watched_receive() -> Message:
            nonlocal started
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._start(receive)
                except Exception as error:
                    started = error
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    raise
            return message

        async def watched_send(message: Message) -> None:
            nonlocal started
            if started is not None:
                return  # the host was told already
            if message["type"] == "lifespan.startup.complete" and (debts := self._check()):
                started = BoundaryError(*debts)
                await send({"type": "lifespan.startup.failed", "message": str(started)})
                await self._perimeter.aclose()
                raise started
            if message["type"] == "lifespan.shutdown.complete":
                await self._perimeter.aclose()
            await send(message)

        await self._app(scope, watched_receive, watched_send)
