"""The door for uvicorn: HTTP protocols that show the application its client's certificate.

`uvicorn --http pratique.integrations.uvicorn:MtlsProtocol --ssl-cert-reqs 2 …`
"""

import ssl
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from cryptography import x509
from uvicorn.protocols.http.h11_impl import H11Protocol

from pratique.core.claim import Tls

from .tls import SHOWN, of_connection

_VERSIONS: Final[Mapping[str, int]] = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


class ShowsCertificates:
    """What is added to an HTTP protocol class of uvicorn's; once a connection.

    A WebSocket is handed to another protocol class and has no extension: there a boundary that owes
    mTLS refuses.
    """

    shows_client_certificates: ClassVar[bool] = True
    app: Any

    def connection_made(self, transport: Any) -> None:
        """Look at the connection, and put what it proved into each scope of it."""
        super().connection_made(transport)  # type: ignore[misc]
        shown, inner = _extensions(transport.get_extra_info("ssl_object")), self.app

        async def showing(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), **shown}
            await inner(scope, receive, send)

        self.app = showing


class MtlsProtocol(ShowsCertificates, H11Protocol):
    """uvicorn's HTTP/1.1 on h11, with the ASGI TLS extension in each scope."""


def _extensions(connection: ssl.SSLObject | None) -> dict[str, Any]:
    """Return the extensions of one connection: ours, and with TLS the standard one."""
    if connection is None:
        return {SHOWN: Tls()}  # no TLS, so that nothing is proven: the same as without certificate
    seen = of_connection(connection)
    name, error = _subject(seen.client_chain)
    return {
        SHOWN: seen,
        "tls": {
            "server_cert": None,
            "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der) for der in seen.client_chain],
            "client_cert_name": name,
            "client_cert_error": error,
            "tls_version": _VERSIONS.get(connection.version() or ""),
            "cipher_suite": None,
        },
    }


def _subject(chain: tuple[bytes, ...]) -> tuple[str | None, str | None]:
    """Return the subject of the leaf as RFC 4514 writes it, and why it can't be read."""
    if not chain:
        return None, None
    try:
        return x509.load_der_x509_certificate(chain[0]).subject.rfc4514_string(), None
    except Exception as error:  # noqa: BLE001  cryptography has a dozen of them
        return None, f"the certificate can't be read ({type(error).__name__})"
