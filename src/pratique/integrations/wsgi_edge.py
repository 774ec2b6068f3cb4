"""The forwarded boundary in a WSGI environ: what it says of its origin becomes what is proven.

A WSGI environ isn't what came. Servers write each field as HTTP_NAME, so that `X_Real_IP` becomes
`X-Real-IP`'s own key, and join lines of one name by a comma. What can be seen of that:

* gunicorn and waitress drop a field with an underscore, werkzeug's server too. wsgiref and uWSGI
  merge it into the real one, Cheroot puts it in its place: behind a proxy they are refused. A
  server that isn't named here is believed to drop it.
* gunicorn takes the fields SCRIPT_NAME and PATH_INFO of peers in its `forwarded_allow_ips` for its
  own variables: refused.
* Two lines of Host, Content-Length or of a field of one address are a list in an environ, and
  refused as that. Of a field in `edge_fields` two lines can't be told from one with a comma.
* A server that gives no RAW_URI or REQUEST_URI hides a target in absolute-form.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import compress
from socket import AF_UNIX
from threading import Lock
from typing import Any, Final, NamedTuple, Protocol

from pratique.core.claim import Claim, Fields, Via
from pratique.core.closing import store_refusal
from pratique.core.forks import renew_after_fork
from pratique.core.memo import Memo
from pratique.core.obligation import VALID
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, Refused, StoreError
from pratique.forwarded import Forwarded, Origin
from pratique.forwarded.boundary import Crossed
from pratique.forwarded.probes import TOKEN_FIELD
from pratique.forwarded.trusted import UNIX

from .echo import echo_of_environment
from .edge import KEPT_BYTES, KNOWN, ORIGIN_KEY, PROVEN_KEY, fields_read, has_part
from .reply import Reply, refusal

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]
Said = tuple[tuple[str, Any], ...]
_FIELD: Final = "HTTP_"
_LENGTH: Final = "CONTENT_LENGTH"
_LONGEST: Final = 256
_NO_FIELD: Final = False
_is_plain: Final = re.compile(r"[A-Z0-9!#$%&'*+.^_`|~-]{1,256}").fullmatch
_CGI: Final = ("HTTP_SCRIPT_NAME", "HTTP_PATH_INFO")
_MERGING: Final = {"WSGIServer": "wsgiref", "Cheroot": "Cheroot"}
"""Servers by the first word of SERVER_SOFTWARE."""
_UWSGI: Final = "uwsgi.version"
_PROXY_FIX: Final = "werkzeug.proxy_fix.orig"
"""What werkzeug's ProxyFix leaves behind, in every version since 0.15."""
_TOKEN: Final = f"HTTP_{TOKEN_FIELD.upper().replace('-', '_')}"
_PORTS: Final = {"http": "80", "https": "443"}


class Carries(Protocol):
    """A request of werkzeug's or Flask's."""

    environ: Environ


class Meta(Protocol):
    """A request of Django's."""

    META: Environ


def origin(request: "Carries | Meta | Mapping[str, Any]") -> Origin:
    """Return where a request comes from, as the forwarded boundary proved it.

    `origin(request).client` is the key of a rate limiter.

    Args:
        request: Django's, Flask's, werkzeug's, or an environ.

    Raises:
        BoundaryError: no forwarded boundary guards the application.
    """
    held: Any = getattr(request, "META", None) or getattr(request, "environ", None) or request
    found = held.get(ORIGIN_KEY)
    if not isinstance(found, Origin):
        raise BoundaryError(
            "origin(request): nothing proves where this request comes from. Wrap the application: "
            "guard(application, perimeter), with a Forwarded(…) declared."
        )
    return found


class _Relevant(Memo[str, bool]):
    """Says of a variable whether it is a field that has a part in where a request comes from."""

    def __init__(self, own: frozenset[str]) -> None:
        super().__init__(KNOWN)
        self._own = own

    def __missing__(self, key: str) -> bool:
        """Look at a new one; a name that is too long, or impossible, is refused with each."""
        if key != _LENGTH and not key.startswith(_FIELD):
            return self.keep(key, _NO_FIELD) if len(key) <= _LONGEST else _NO_FIELD
        if _is_plain(key) is None:
            return True
        return self.keep(key, has_part(_name_of(key), self._own))


class Line(NamedTuple):
    """What became of one environ, for the next that says the same."""

    crossed: Crossed
    gone: tuple[str, ...]
    told: Environ


class WsgiEdge:
    """Lets each request cross the forwarded boundary before anything else sees it.

    Args:
        boundary: Declared in *perimeter*.
        perimeter: What guards the application.

    Raises:
        BoundaryError: the environment holds something for the check that is no token.
    """

    def __init__(self, boundary: Forwarded, perimeter: Perimeter) -> None:
        self._boundary = boundary
        self._clock = perimeter.clock
        boundary.stripper.reads = fields_read(perimeter)
        self._has_part = _Relevant(boundary.policy.declared).__getitem__
        self._known = Memo[object, Line](KNOWN)
        self._echo = echo_of_environment()

    def enter(self, environ: Environ) -> Reply | None:
        """Make an environ say what is proven: client, scheme, host; take out what isn't.

        Returns:
            The answer, where it is a request of `pratique forwarded check`.

        Raises:
            Refused: with status 400.
            BoundaryError: the server merges aliases, and a proxy is believed; something has put a
                client in the place of the peer before.
        """
        edge = self._boundary
        merging = _merging_server(environ) if edge.policy.peers else ""
        if merging:
            raise BoundaryError(
                f'Boundary "{edge.name}": {merging} merges X_Forwarded_For into X-Forwarded-For, '
                "so that a client writes what the proxy says. Serve it with gunicorn or waitress."
            )
        if _PROXY_FIX in environ:
            raise BoundaryError(
                f'Boundary "{edge.name}": ProxyFix stands around it and has put what a field says '
                "in the place of the connection. Take it out, or put it on before the guard."
            )
        if _CGI[0] in environ or _CGI[1] in environ:
            edge.refuse(_cgi_field())
            return self._echoed(environ)
        # By functions of the interpreter's own: a loop over each request's variables is dear.
        said = tuple(compress(environ.items(), map(self._has_part, environ)))
        via = Via(
            _peer_of(environ), _scheme_of(environ), environ["REQUEST_METHOD"], _target_of(environ)
        )
        key = (via.peer, via.scheme, said) if via.target[:1] == "/" else None
        line = self._known.get(key)
        if line is not None:
            proven = edge.cross_again(line.crossed, self._clock())
        else:
            crossed = self._cross(said, via)
            line = None if crossed is None else _line_of(crossed, via.peer)
            proven = None if crossed is None else crossed.proven
            if line is not None and key is not None and _is_short(said):
                self._known.keep(key, line)
        if line is not None and proven is not None:
            for each in line.gone:
                environ.pop(each, None)
            environ.update(line.told)
            environ[PROVEN_KEY] = proven
        return self._echoed(environ)

    def _echoed(self, environ: Environ) -> Reply | None:
        if self._echo is None:
            return None
        shown = str(environ.get(_TOKEN, "")).encode("latin-1", "replace")
        return self._echo.reply(environ.get("PATH_INFO", ""), shown, environ.get(ORIGIN_KEY))

    def _cross(self, said: Said, via: Via) -> Crossed | None:
        try:
            # PEP 3333: CONTENT_LENGTH may be empty or absent where no length came.
            lines = [(_name_of(key), str(value)) for key, value in said if value or key != _LENGTH]
            claim = Claim(b"", Fields(lines), self._clock(), via)
        except Refused as refused:
            self._boundary.refuse(refused)
            return None
        return self._boundary.cross(claim)


class Guarded:
    """The outermost WSGI layer. Made by `guard`."""

    def __init__(self, app: App, perimeter: Perimeter) -> None:
        debts = perimeter.debts()
        if debts:
            raise BoundaryError(*debts)
        self._app = app
        self._perimeter = perimeter
        self._starting = Lock()
        renew_after_fork(self, _starting=Lock)
        self._is_ready = False
        self._edge: WsgiEdge | None = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Start the perimeter where it hasn't, let the request cross, pass the call on."""
        try:
            if not (self._is_ready and self._perimeter.is_started):
                with self._starting:
                    self._perimeter.start()
                    # Not before: until then a boundary may be declared.
                    self._edge = wsgi_edge_of(self._perimeter)
                    self._is_ready = True
            reply = self._edge.enter(environ) if self._edge is not None else None
        except StoreError as error:  # it may be there at the next request
            return send_reply(refusal(store_refusal(error)), start_response)
        except Refused as refused:
            return send_reply(refusal(refused), start_response)
        if reply is not None:
            return send_reply(reply, start_response)
        return self._app(environ, start_response)


def wsgi_edge_of(perimeter: Perimeter) -> WsgiEdge | None:
    """Return the edge of a perimeter; None where no forwarded boundary is declared."""
    for boundary in perimeter.boundaries:
        if isinstance(boundary, Forwarded):
            return WsgiEdge(boundary, perimeter)
    return None


def send_reply(reply: Reply, start_response: Any) -> Iterable[bytes]:
    """Answer a request outside any framework."""
    status = f"{reply.status} {HTTPStatus(reply.status).phrase}"
    fields = [*reply.fields.items(), ("content-length", str(len(reply.content)))]
    start_response(status, fields)
    return [reply.content]


def guard(app: App, perimeter: Perimeter) -> Guarded:
    """Put the perimeter's forwarded boundary around a WSGI application.

    The application then sees REMOTE_ADDR, wsgi.url_scheme, HTTP_HOST, SERVER_NAME and SERVER_PORT
    as they are proven, no other field of the family, and the `Origin` as
    environ["pratique.origin"].

    Args:
        app: Flask's, Django's `get_wsgi_application()`, any.
        perimeter: Started at the first request, since a server forks before it.

    Raises:
        BoundaryError: the perimeter has debts.
    """
    return Guarded(app, perimeter)


def _merging_server(environ: Environ) -> str:
    """Return the name of a server that writes a client's alias into the proxy's own field."""
    if _UWSGI in environ:
        return "uWSGI"
    return _MERGING.get(str(environ.get("SERVER_SOFTWARE", "")).partition("/")[0], "")


def _name_of(key: str) -> str:
    return (key[5:] if key.startswith(_FIELD) else key).replace("_", "-").lower()


def _is_short(said: Said) -> bool:
    return sum(len(value) for _, value in said) <= KEPT_BYTES


def _peer_of(environ: Environ) -> str:
    family = getattr(environ.get("gunicorn.socket"), "family", None)
    return UNIX if family == AF_UNIX else str(environ.get("REMOTE_ADDR", ""))


def _scheme_of(environ: Environ) -> str:
    # gunicorn believes X-Forwarded-Proto of its forwarded_allow_ips, and says that as url_scheme.
    connection = environ.get("gunicorn.socket")
    if connection is not None:
        return "https" if hasattr(connection, "getpeercert") else "http"
    return str(environ["wsgi.url_scheme"])


def _target_of(environ: Environ) -> str:
    return str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or "/")


def _line_of(crossed: Crossed, peer: str) -> Line:
    judged = crossed.judged
    found = judged.origin
    name, colon, port = found.host.rpartition(":")
    has_port = colon and not found.host.endswith("]")
    told: Environ = {
        **{_key(name): value for name, value in judged.anew.items()},
        "wsgi.url_scheme": found.scheme,
        "SERVER_NAME": name if has_port else found.host,
        "SERVER_PORT": port if has_port else _PORTS[found.scheme],
        ORIGIN_KEY: found,
    }
    gone = [_key(each) for each in judged.stripped]
    if found.client not in (peer, UNIX):
        told["REMOTE_ADDR"] = found.client
        gone += ["REMOTE_PORT", "REMOTE_HOST"]  # those of another connection, which nobody told
    if found.scheme == "https":
        told["HTTPS"] = "on"
    else:
        gone.append("HTTPS")
    return Line(crossed, tuple(gone), told)


def _key(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _cgi_field() -> Refused:
    return Refused(
        VALID,
        "a field that the server takes for SCRIPT_NAME or PATH_INFO came",
        code="field_alias",
        hint="gunicorn: set forwarded_allow_ips to no peer that passes on what a client sends",
        status=400,
    )
