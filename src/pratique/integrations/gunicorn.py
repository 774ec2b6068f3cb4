"""The door for gunicorn's WSGI workers: what the TLS connection of a request proved."""

from collections.abc import Mapping
from typing import Any

from pratique.core.claim import Tls

from .tls import of_connection


def tls_of(environ: Mapping[str, Any]) -> Tls | None:
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
