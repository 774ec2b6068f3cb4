"""What an ASGI scope says of TLS: a server's extension alone, and only what was verified."""

import ssl
from types import SimpleNamespace
from typing import Any

import pytest

from pratique.core.claim import Tls
from pratique.integrations.tls import SHOWN, of_connection, server_debt, tls_of
from tests.service.authority import Authority, pem

LEAF = Authority().issue("spiffe://shop.example/gateway")
HEADERS = [
    (b"pratique.tls", b"x"),
    (b"extensions", b"x"),
    (b"client_cert_chain", pem(LEAF).replace("\n", " ").encode()),
]


def scope(**extensions: Any) -> dict[str, Any]:
    """Return a scope with these extensions, and with fields that would like to be some."""
    return {"type": "http", "headers": HEADERS, "extensions": extensions}


def test_reads_the_standard_extension_as_der() -> None:
    """ASGI TLS extension: PEM, leaf first."""
    assert tls_of(scope(tls={"client_cert_chain": [pem(LEAF)]})) == Tls((LEAF,))
    assert tls_of(scope(tls={"client_cert_chain": []})) == Tls()
    assert tls_of(scope(tls={})) == Tls()


def test_a_certificate_that_failed_verification_is_none() -> None:
    """A server may hand it over with the error: it proves nothing."""
    extension = {"client_cert_chain": [pem(LEAF)], "client_cert_error": "expired"}
    assert tls_of(scope(tls=extension)) == Tls()
    assert tls_of(scope(tls={**extension, "client_cert_error": ""})) == Tls()
    assert tls_of(scope(tls={**extension, "client_cert_error": None})) == Tls((LEAF,))


@pytest.mark.parametrize("chain", [["no PEM"], [LEAF], [1], [None]])
def test_a_chain_that_is_no_pem_is_not_seen(chain: list[Any]) -> None:
    """A server's mistake is ours to mend: 503, never a caller."""
    seen = tls_of(scope(tls={"client_cert_chain": chain}))
    assert (seen.client_chain, bool(seen.unseen)) == ((), True)


def test_no_field_fills_it() -> None:
    """Without an extension nothing is seen, whatever fields there are."""
    for bare in (scope(), {"headers": HEADERS}, {"headers": HEADERS, "extensions": None}):
        seen = tls_of(bare)
        assert (seen.client_chain, bool(seen.unseen)) == ((), True)
    assert tls_of(scope(**{SHOWN: "x"})).unseen
    assert tls_of(scope(**{SHOWN: Tls((LEAF,))})) == Tls((LEAF,))


class Connection(SimpleNamespace):
    """A TLS connection as Python's ssl shows it."""

    def getpeercert(self, *, binary_form: bool) -> bytes | None:
        return self.leaf if binary_form else None


@pytest.mark.parametrize(
    ("mode", "leaf", "chain"),
    [
        (ssl.CERT_REQUIRED, LEAF, (LEAF, b"issuer")),
        (ssl.CERT_OPTIONAL, LEAF, (LEAF, b"issuer")),
        (ssl.CERT_OPTIONAL, None, ()),
        (ssl.CERT_NONE, LEAF, ()),
    ],
)
def test_a_connection_shows_what_it_verified(
    mode: ssl.VerifyMode, leaf: bytes | None, chain: tuple[bytes, ...]
) -> None:
    """With CERT_NONE nothing was verified, so that nothing is shown."""
    context = SimpleNamespace(verify_mode=mode)
    connection = Connection(
        context=context, leaf=leaf, get_verified_chain=lambda: [LEAF, b"issuer"]
    )
    assert of_connection(connection).client_chain == chain
    assert bool(of_connection(connection).unseen) == (mode is ssl.CERT_NONE)
    resumed = Connection(context=context, leaf=leaf, get_verified_chain=lambda: None)
    assert of_connection(resumed).client_chain == chain[:1]


def test_a_start_under_a_server_that_is_not_known_is_not_refused() -> None:
    """A test client has a lifespan too: there the first request tells."""

    async def receive() -> None: ...

    assert server_debt(receive) == ""
    receive.__module__ = "hypercorn.asyncio.lifespan"
    assert "hypercorn shows" in server_debt(receive)


def test_a_framework_that_hands_receive_on_hides_no_server() -> None:
    """FastAPI's own function around it is looked through; another one of its functions says nothing."""

    async def receive() -> None: ...

    async def handed_on() -> Any:
        return await receive()

    async def other() -> None: ...

    receive.__module__ = "hypercorn.asyncio.lifespan"
    assert server_debt(handed_on) == ""
    for each in (handed_on, other):
        each.__module__ = "fastapi.telemetry"
    assert "hypercorn shows" in server_debt(handed_on)
    assert server_debt(other) == ""
