"""The door for uvicorn with httptools.

`uvicorn --http pratique.integrations.uvicorn_httptools:MtlsProtocol …`
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .uvicorn import ShowsCertificates


class MtlsProtocol(ShowsCertificates, HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on httptools, with the ASGI TLS extension in each scope."""
