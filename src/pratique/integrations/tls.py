"""What a server shows of TLS, and whether it can show a client certificate at all."""

import ssl
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from pratique.core.claim import Tls

SHOWN: Final = "pratique.tls"
"""The ASGI extension in which a door of ours hands over a `Tls`, once a connection."""
SHOWS: Final = "shows_client_certificates"
"""The mark on an HTTP protocol class of uvicorn's that is ours."""
WAYS: Final = (
    "serve it with uvicorn --http pratique.integrations.uvicorn:MtlsProtocol, or behind a proxy of "
    "your own with forwarded_certificate(…): docs/how-to/prove-a-calling-service-by-mtls.md"
)
NOT_ASKED: Final = (
    "the server doesn't ask clients for a certificate, whatever its CA file says: "
    "uvicorn --ssl-cert-reqs 2, gunicorn --cert-reqs 2"
)
_HOW_IT_FAILS: Final[Mapping[str, str]] = {
    "hypercorn": "hypercorn shows the application no client certificate, and without --verify-mode "
    "it doesn't ask for one",
    "granian": "granian shows the application no client certificate, and --ssl-client-verify "
    "without --ssl-ca takes one of any CA",
    "daphne": "daphne shows the application no client certificate",
    "gunicorn": "gunicorn's ASGI worker shows the application no client certificate",
    "uvicorn": "uvicorn's own HTTP protocols show the application no client certificate",
}
"""By the name of the server's package; where several are loaded, the first is the likeliest."""
_unshown: list[Tls] = []


def tls_of(scope: Mapping[str, Any]) -> Tls:
    """Return what the server shows of TLS. No field of the request has a part in it.

    Args:
        scope: Of ASGI. The extension "tls" of any server counts, unless that says that the
            certificate failed verification; ours comes first.
    """
    extensions: Mapping[str, Any] | None = scope.get("extensions")
    if extensions:
        shown = extensions.get(SHOWN)
        if isinstance(shown, Tls):
            return shown
        extension: Mapping[str, Any] | None = extensions.get("tls")
        if extension is not None:
            return _of_extension(extension)
    if not _unshown:
        _unshown.append(Tls(unseen=f"{_why(_loaded())}; {WAYS}"))
    return _unshown[0]


def tls_of_environ(environ: Mapping[str, Any]) -> Tls | None:
    """Return what gunicorn's own socket shows of TLS; None under another server.

    For the workers sync and gthread, with `--ca-certs ca.pem --cert-reqs 2`. No field of the
    request has a part in it: those are named HTTP_… in an environ.

    Args:
        environ: Of WSGI.
    """
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return None
    if not hasattr(connection, "getpeercert"):
        return Tls()  # no TLS, so that nothing is proven
    return of_connection(connection)


def server_debt(receive: object) -> str:
    """Return why the server that runs this lifespan can't show client certificates.

    "" where it can, and where who it is can't be told: then the first request tells.

    Args:
        receive: The server's own, of the lifespan scope.
    """
    receive = own_receive(receive)
    server = str(getattr(receive, "__module__", None) or "").partition(".")[0]
    if server not in _HOW_IT_FAILS:
        return ""
    if server != "uvicorn":
        return f"{_why(server)}; {WAYS}."
    config = getattr(getattr(receive, "__self__", None), "config", None)
    if config is None:
        return ""
    if not getattr(getattr(config, "http_protocol_class", None), SHOWS, False):
        return f"{_why(server)}; {WAYS}."
    context = getattr(config, "ssl", None)
    if context is None:
        return "uvicorn serves it without TLS: --ssl-certfile, --ssl-keyfile, --ssl-ca-certs."
    return f"{NOT_ASKED}." if context.verify_mode is ssl.CERT_NONE else ""


def own_receive(receive: object) -> object:
    """Return the server's own, which newer FastAPIs hand on in a function around it."""
    code, cells = getattr(receive, "__code__", None), getattr(receive, "__closure__", None)
    if code is None or not str(getattr(receive, "__module__", "")).startswith("fastapi."):
        return receive
    held = dict(zip(code.co_freevars, cells or (), strict=True))
    return held["receive"].cell_contents if "receive" in held else receive


def of_connection(connection: Any) -> Tls:
    """Return what one TLS connection of Python's own `ssl` proved of its peer.

    Args:
        connection: An `ssl.SSLObject` or `ssl.SSLSocket` after its handshake, or one alike.
    """
    if connection.context.verify_mode is ssl.CERT_NONE:
        return Tls(unseen=NOT_ASKED)
    leaf: bytes | None = connection.getpeercert(binary_form=True)
    if not leaf:
        return Tls()
    return Tls((leaf, *_issuers(connection, leaf)))


def _issuers(connection: Any, leaf: bytes) -> Sequence[bytes]:
    """Return the rest of the verified chain, which Python 3.13 and later tell."""
    verified = getattr(connection, "get_verified_chain", None)
    chain: list[bytes] = verified() if verified is not None else []
    return chain[1:] if chain and chain[0] == leaf else ()


def _of_extension(extension: Mapping[str, Any]) -> Tls:
    """Read the ASGI TLS extension. Source: ASGI TLS extension 0.2, "client_cert_error"."""
    if extension.get("client_cert_error") is not None:
        return Tls()
    pems = cast("Sequence[str]", tuple(extension.get("client_cert_chain") or ()))
    try:
        return Tls(tuple(ssl.PEM_cert_to_DER_cert(pem) for pem in pems))
    except (ValueError, TypeError, AttributeError):
        return Tls(unseen="the server's TLS extension holds a certificate that isn't PEM")


def _loaded() -> str:
    return next((name for name in _HOW_IT_FAILS if name in sys.modules), "")


def _why(server: str) -> str:
    return _HOW_IT_FAILS.get(server, "the server shows the application no client certificate")
