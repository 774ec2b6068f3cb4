"""The name that a public key gives itself."""

import pytest

from pratique.core.proofs.authentic.thumbprint import thumbprint
from tests.proofs_of_possession import Holder

MODULUS = (
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPeb"
    "WKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368Q"
    "QMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2"
    "NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
)


def test_the_example_of_the_standard() -> None:
    """RFC 7638 §3.1: members that aren't required don't count."""
    jwk = {"kty": "RSA", "n": MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_the_example_of_an_okp_key() -> None:
    """RFC 8037 appendix A.3."""
    jwk = {
        "crv": "Ed25519",
        "kty": "OKP",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }
    assert thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_of_no_known_kind_has_none() -> None:
    """Nothing is guessed; a curve's key has one."""
    for jwk in ({}, {"kty": "oct", "k": "x"}, {"kty": ["EC"]}, {"kty": "RSA", "e": "AQAB"}):
        with pytest.raises(ValueError, match="no public key"):
            thumbprint(jwk)
    holder = Holder()
    assert thumbprint(holder.jwk) == holder.jkt
