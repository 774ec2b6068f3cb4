"""SV-04…14 and SV-24: tokens that aren't the issuer's, aren't for us, or aren't in force. Each with its twin."""

from datetime import timedelta
from typing import Any

import pytest

from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jwt import TokenPolicy, verify_token
from pratique.core.refusal import BoundaryError, Refused
from tests.tokens import AT, CLAIMS, NOW, jwk_of, mint, octets, pem_of, policy, rsa_key, text

RS = policy("RS256")
DICTIONARY = [
    f"{word}{end}"
    for word in (
        "secret password changeme jwt-secret your-256-bit-secret mysecretkey supersecret token "
        "admin letmein welcome qwerty 123456 dev test key private hmac default example"
    ).split()
    for end in ("", "1", "123", "!", "2024")
]


def refuses(token: str, like: TokenPolicy, codes: str) -> None:
    """Require a 401 with one of these codes."""
    with pytest.raises(Refused) as caught:
        verify_token(token, like, at=AT)
    assert caught.value.status == 401
    assert caught.value.code in codes.split()


def admits(token: str, like: TokenPolicy) -> None:
    """Require that the honest twin is admitted."""
    assert verify_token(token, like, at=AT).subject == CLAIMS["sub"]


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE"])
@pytest.mark.parametrize("keep", [True, False])
def test_refuses_a_token_without_a_signature(name: str, keep: bool) -> None:
    """SV-04: alg "none" in four cases, the signature empty or an honest one kept."""
    signed, _, signature = mint("RS256", header={"alg": name}, signed_as="RS256").rpartition(".")
    refuses(f"{signed}.{signature if keep else ''}", RS, "algorithm_not_allowed")
    honest = mint("RS256").rpartition(".")[0]
    refuses(f"{honest}.", RS, "bad_signature")
    refuses(honest, RS, "malformed_token")
    admits(mint("RS256"), RS)


@pytest.mark.parametrize("header", [{}, {"kid": "k2"}, {"kid": "k1"}])
def test_refuses_a_token_of_an_unknown_key(header: dict[str, Any]) -> None:
    """SV-05: valid claims, signed by somebody else, under our key's name or another."""
    forged = mint("RS256", private=rsa_key("attacker"), header=header)
    refuses(forged, RS, "bad_signature unknown_key")
    admits(mint("RS256"), RS)


def test_refuses_our_public_key_as_a_secret() -> None:
    """SV-06: HS256 with the PEM, the DER or the JWK as its secret, also where HS256 is allowed."""
    pem = pem_of(rsa_key())
    mixed = policy("RS256", algorithms=("RS256", "HS256"))
    by_pem = policy("RS256", algorithms=("RS256", "HS256"), keys=pem)
    for secret in (pem, pem.strip(), pem.replace(b"\n", b"\r\n"), str(jwk_of("RS256")).encode()):
        for like in (RS, mixed, by_pem):
            refuses(mint("HS256", private=secret), like, "algorithm_not_allowed")
    with pytest.raises(BoundaryError):
        policy("HS256", keys={"kty": "oct", "k": text(pem)})
    for like in (RS, mixed, by_pem):
        admits(mint("RS256"), like)


@pytest.mark.parametrize(
    "header",
    [
        {"jwk": jwk_of("RS256", rsa_key("attacker"))},
        {"jku": "http://127.0.0.1:9/jwks.json"},
        {"x5u": "http://127.0.0.1:9/chain.pem"},
        {"x5c": ["MIIB"]},
    ],
)
def test_refuses_a_token_that_brings_its_own_key(header: dict[str, Any]) -> None:
    """SV-07: refused before a key is looked for, and nothing is fetched: there is no code that could."""
    refuses(mint("RS256", private=rsa_key("attacker"), header=header), RS, "forbidden_header")
    refuses(mint("RS256", header=header), RS, "forbidden_header")
    admits(mint("RS256"), RS)


@pytest.mark.parametrize(
    "kid",
    ["../../../../dev/null", "k1' OR '1'='1", "k1\0", "k1 ", "K1", "", "tenant-b/k1", "\ud7ff", "k" * 9000],
)  # fmt: skip
def test_refuses_a_key_name_that_is_none(kid: str) -> None:
    """SV-08: a name is looked up among ours and nowhere else."""
    refuses(mint("RS256", header={"kid": kid}), RS, "unknown_key")
    refuses(mint("HS256", header={"kid": kid}, private=b"\0" * 32), policy("HS256"), "unknown_key")
    admits(mint("RS256"), RS)


def test_refuses_a_dictionary_secret() -> None:
    """SV-09: a hundred words open nothing, and none of them can be declared."""
    like = policy("HS256")
    for word in DICTIONARY:
        refuses(mint("HS256", private=word.encode()), like, "bad_signature")
        with pytest.raises(BoundaryError):
            policy("HS256", keys=word.encode())
    assert len(DICTIONARY) == 100
    admits(mint("HS256"), like)


@pytest.mark.parametrize(
    "exp", [NOW, NOW - 1, 0, -1, str(NOW + 300), 1e30, float(10**15), None, [NOW + 300], True]
)
def test_refuses_a_token_that_is_over_or_never_ends(exp: Any) -> None:
    """SV-10: expired, or an `exp` that is no date."""
    refuses(mint("RS256", claims={"exp": exp}), RS, "expired_token bad_date")
    refuses(mint("RS256", drop=("exp",)), RS, "bad_date")
    admits(mint("RS256", claims={"exp": NOW + 1}), RS)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_refuses_a_token_from_the_future(name: str) -> None:
    """SV-11."""
    refuses(mint("RS256", claims={name: NOW + 60}), RS, "not_yet_valid from_the_future")
    admits(mint("RS256", claims={name: NOW}), RS)


@pytest.mark.parametrize("aud", ["https://billing.internal.example", ["billing"], "*", "", None])
def test_refuses_a_token_for_another_audience(aud: Any) -> None:
    """SV-12: what our neighbour was given must not open us."""
    refuses(mint("RS256", claims={"aud": aud}), RS, "wrong_audience")
    admits(mint("RS256"), RS)


@pytest.mark.parametrize(
    "iss", ["https://idp.example.com.evil.example", "https://other.example", "idp"]
)
def test_refuses_a_token_of_another_issuer(iss: str) -> None:
    """SV-13: also where it signs with the same key."""
    refuses(mint("RS256", claims={"iss": iss}), RS, "wrong_issuer")
    admits(mint("RS256"), RS)


@pytest.mark.parametrize(
    "typ", ["JWT", "id+jwt", "logout+jwt", "rt+jwt", "dpop+jwt", "secevent+jwt", "txntoken+jwt"]
)
def test_refuses_another_kind_of_token(typ: str) -> None:
    """SV-14: an ID token or a refresh token of the same issuer, for the same audience."""
    refuses(mint("RS256", header={"typ": typ}), RS, "wrong_type")
    refuses(mint("RS256", header=b'{"alg":"RS256","kid":"k1"}'), RS, "wrong_type")
    admits(mint("RS256"), RS)


@pytest.mark.parametrize(
    "other",
    [
        {"issuer": "https://other.example"},
        {"audience": "billing"},
        {"type": "JWT"},
        {"algorithms": ("PS256",), "keys": jwk_of("PS256")},
        {"keys": jwk_of("RS256", rsa_key("other"))},
        {"max_age": timedelta(seconds=5)},
    ],
    ids=["issuer", "audience", "type", "algorithms", "keys", "max_age"],
)
def test_a_token_that_one_policy_admitted_is_verified_anew_by_another(
    other: dict[str, Any],
) -> None:
    """SV-24: in one cache, and before it was put there or after."""
    cache, token = TokenCache(), mint("RS256")
    assert cache.verify(token, RS, at=AT)
    for _ in range(2):
        with pytest.raises(Refused):
            cache.verify(token, policy("RS256", **other), at=AT)
    assert cache.verify(token, policy("RS256"), at=AT)
    assert cache.size == 1


def test_a_flipped_bit_of_the_signature_is_refused() -> None:
    """The twin of SV-05: the issuer's own token, one bit away."""
    signed, _, signature = mint("RS256").rpartition(".")
    raw = bytearray(octets(signature))
    raw[40] ^= 1
    refuses(f"{signed}.{text(bytes(raw))}", RS, "bad_signature")
