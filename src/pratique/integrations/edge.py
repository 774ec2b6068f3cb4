"""The forwarded boundary in an ASGI scope: what it says of its origin becomes what is proven."""

import os
import re
from collections.abc import Callable, Iterable, MutableMapping
from itertools import compress
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

from pratique.core.claim import Claim, Fields, Via
from pratique.core.memo import Memo
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import Refused
from pratique.forwarded import Forwarded
from pratique.forwarded.boundary import Crossed
from pratique.forwarded.family import FRAMING, is_alias, is_family
from pratique.forwarded.probes import TOKEN_FIELD
from pratique.forwarded.trusted import UNIX

from .echo import echo_of_environment
from .reply import Reply
from .tls import own_receive

Scope = MutableMapping[str, Any]
ORIGIN_KEY: Final = "pratique.origin"
"""Where a scope and a WSGI environ hold the `Origin`."""
PROVEN_KEY: Final = "pratique.proven_origin"
"""Where they hold the same as `Proven[Origin]`."""
_SOCKET_SCHEMES: Final = {"http": "ws", "https": "wss"}
_TOKEN: Final = TOKEN_FIELD.lower().encode()
_NOTHING: Final = frozenset[bytes]()
_NAMES: Final = 1024
KNOWN: Final = 1024
"""Requests that were judged: a client says the same with each."""
KEPT_BYTES: Final = 1024
"""Of what one of them says: more isn't remembered (CWE-770)."""
_is_plain: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,256}").fullmatch
Raw = tuple[tuple[bytes, bytes], ...]
_first: Final = itemgetter(0)
_pair: Final = cast("Callable[[Iterable[bytes]], tuple[bytes, bytes]]", tuple)


class Line(NamedTuple):
    """What became of one request's fields, for the next that says the same."""

    crossed: Crossed
    gone: frozenset[bytes]
    """Names as they came."""
    client: tuple[str, int] | None
    """None where it is the peer: else the port is that of another connection, which nobody told."""
    anew: tuple[tuple[bytes, bytes], ...]


def has_part(name: str, own: frozenset[str]) -> bool:
    """Say whether a field has a part in where a request comes from.

    Args:
        name: In lower case.
        own: The fields that the policy declares.
    """
    return name in FRAMING or name in own or is_family(name) or is_alias(name, own)


class Relevant(Memo[bytes, bool]):
    """Says of a field, by its name as it came, whether it has a part. See `has_part`.

    Args:
        own: The fields that the policy declares.
    """

    def __init__(self, own: frozenset[str]) -> None:
        super().__init__(_NAMES)
        self._own = own

    def __missing__(self, name: bytes) -> bool:
        """Look at a new name. One that isn't plain is looked at with each request."""
        text = name.decode("latin-1")
        if _is_plain(text) is None:  # in capitals, or impossible, or too long to be remembered
            return True
        return self.keep(name, has_part(text, self._own))


class Edge:
    """Lets each request cross the forwarded boundary before anything else sees it.

    Args:
        boundary: Declared in *perimeter*.
        perimeter: What guards the application.

    Attributes:
        known: What was made of requests that were judged.
        echo: Answers the check; None where the environment holds no token for it.

    Raises:
        BoundaryError: what it holds is no token.
    """

    def __init__(self, boundary: Forwarded, perimeter: Perimeter) -> None:
        self._boundary = boundary
        self._clock = perimeter.clock
        self._has_part = Relevant(boundary.policy.declared).__getitem__
        self.known = Memo[object, Line](KNOWN)
        self.echo = echo_of_environment()

    def enter(self, scope: Scope) -> None:
        """Make a scope say what is proven: client, scheme, host; take out what isn't.

        Args:
            scope: Of type "http" or "websocket"; it is changed.

        Raises:
            Refused: with status 400.
        """
        raw: list[tuple[bytes, bytes]] = scope["headers"]
        if type(raw) is not list:  # ASGI: an iterable of iterables of two, which may come once
            raw = scope["headers"] = list(raw)
        # By functions of the interpreter's own: a loop over each request's fields is dear.
        said = tuple(map(_pair, compress(raw, map(self._has_part, map(_first, raw)))))
        client = scope.get("client")
        peer = client[0] if client else _unseen_peer(scope)
        scheme, target = scope["scheme"], _target_of(scope)
        line = self.known.get((peer, scheme, said)) if target[:1] == "/" else None
        if line is not None:
            proven = self._boundary.cross_again(line.crossed, self._clock())
        else:
            line = self._judged(said, Via(peer, scheme, scope.get("method", "GET"), target))
            proven = None if line is None else line.crossed.proven
        if proven is None or line is None:
            return
        origin = line.crossed.judged.origin
        if line.client is not None:
            scope["client"] = line.client
        is_socket = scope["type"] == "websocket"
        scope["scheme"] = _SOCKET_SCHEMES[origin.scheme] if is_socket else origin.scheme
        scope[ORIGIN_KEY], scope[PROVEN_KEY] = origin, proven
        if line.gone:
            gone = line.gone
            scope["headers"] = [each for each in raw if each[0] not in gone]
            scope["headers"] += line.anew

    def echoed(self, scope: Scope) -> Reply | None:
        """Return the answer to a request of the check; None where it is none."""
        if self.echo is None or scope["type"] != "http":
            return None
        shown = b"".join(value for name, value in scope["headers"] if name == _TOKEN)
        return self.echo.reply(scope["path"], shown, scope.get(ORIGIN_KEY))

    def _judged(self, said: Raw, via: Via) -> Line | None:
        lines = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in said]
        try:
            claim = Claim(b"", Fields(lines), self._clock(), via)
        except Refused as refused:
            self._boundary.refuse(refused)
            return None
        crossed = self._boundary.cross(claim)
        if crossed is None:
            return None
        line = _line_of(crossed, said, via.peer)
        if via.target[:1] == "/" and sum([len(value) for _, value in said]) <= KEPT_BYTES:
            self.known.keep((via.peer, via.scheme, said), line)
        return line

    def server_debts(self, receive: object) -> list[str]:
        """Say that a server believes the same fields before us, where it can be told.

        Args:
            receive: The server's own, of the lifespan scope; None where there is none.
        """
        config = getattr(getattr(own_receive(receive), "__self__", None), "config", None)
        if not getattr(config, "proxy_headers", False):
            return []
        believed = getattr(config, "forwarded_allow_ips", None) or os.environ.get(
            "FORWARDED_ALLOW_IPS", "127.0.0.1"
        )
        debt = (
            f'Boundary "{self._boundary.name}": uvicorn rewrites client and scheme before it, for '
            f"peers in {believed}. Turn that off: uvicorn --no-proxy-headers."
        )
        return [debt]


def _line_of(crossed: Crossed, said: Raw, peer: str) -> Line:
    judged = crossed.judged
    address = judged.origin.client
    client = None if address in (peer, UNIX) else (address, 0)
    if not judged.stripped and not judged.anew:
        return Line(crossed, _NOTHING, client, ())
    names = {*judged.stripped, *judged.anew}
    gone = frozenset([name for name, _ in said if name.decode("latin-1").lower() in names])
    anew = tuple([(n.encode(), v.encode()) for n, v in judged.anew.items()])
    return Line(crossed, gone, client, anew)


def edge_of(perimeter: Perimeter) -> Edge | None:
    """Return the edge of a perimeter; None where no forwarded boundary is declared."""
    for boundary in perimeter.boundaries:
        if isinstance(boundary, Forwarded):
            boundary.stripper.reads = fields_read(perimeter)
            return Edge(boundary, perimeter)
    return None


def fields_read(perimeter: Perimeter) -> frozenset[str]:
    """Return the fields of this family that another boundary proves by itself."""
    return frozenset[str]().union(*(boundary.reads_fields for boundary in perimeter.boundaries))


def _unseen_peer(scope: Scope) -> str:
    # A client that resets its TCP connection has no address any more either: our own end tells.
    server = scope.get("server")
    is_unix = server is None or server[1] is None
    return UNIX if is_unix else ""


def _target_of(scope: Scope) -> str:
    """Return the target, where it may be none of origin-form; of one that is a path, "/"."""
    raw: bytes = scope.get("raw_path") or b"/"
    root: str = scope.get("root_path", "")
    if not root and raw[:1] == b"/":
        return "/"
    # Servers put the root path before a target, of absolute-form too.
    return raw.decode("latin-1").removeprefix(root)
