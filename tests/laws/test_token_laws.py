"""Laws of tokens: any text is claims or Refused, one flipped bit is refused, no text holds a secret."""

import json
import traceback
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jws import named_key, verify_jws
from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy, verify_token
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.refusal import BoundaryError, Refused
from tests.tokens import (
    ALGORITHMS,
    AT,
    CLAIMS,
    jwk_of,
    mint,
    pem_of,
    policy,
    private_key,
    rsa_key,
    text,
)

SIX = ("HS256", "RS256", "PS256", "ES256", "ES512", "EdDSA")
TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["\0", "\ud800", "é", "none", "ES256", "k1", "at+jwt", "9" * 5000]),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from([CLAIMS["iss"], CLAIMS["aud"], CLAIMS["exp"], 1e308, 10**400, "k1"]),
    ),
    lambda inside: st.one_of(
        st.lists(inside, max_size=4),
        st.dictionaries(st.sampled_from([*CLAIMS, "scope", "x", "alg", "kid", "typ"]), inside),
    ),
    max_leaves=12,
)


@cache
def like(algorithm: str) -> TokenPolicy:
    """Return the policy of an algorithm."""
    return policy(algorithm)


@cache
def honest(algorithm: str) -> str:
    """Return one honest token."""
    return mint(algorithm)


def outcome(token: Any, algorithm: str = "ES256") -> JwtClaims | None:
    """Verify it in each way; anything but Refused goes through, and they agree."""
    found: list[JwtClaims | None] = []
    for verify in (verify_token, TokenCache().verify):
        try:
            found.append(verify(token, like(algorithm), at=AT))
        except Refused as refused:
            found.append(None)
            if refused.status != 401:
                raise
    if (found[0] is None) is not (found[1] is None):
        raise AssertionError("a cache decides otherwise")
    try:
        verify_jws(token, keys=jwk_of(algorithm), algorithms=(algorithm,))
        is_signed = True
    except Refused:
        is_signed = False
    if found[0] is not None and not is_signed:
        raise AssertionError("verify_jws decides otherwise")
    try:
        named_key(token)
    except Refused:
        is_signed = False
    return found[0]


@given(st.one_of(TEXTS, st.lists(TEXTS, max_size=5).map(".".join)))
def test_any_text_is_claims_or_refused(token: str) -> None:
    """Of nobody's text anything comes out but Refused."""
    assert outcome(token) is None


@given(st.binary(max_size=60), st.binary(max_size=60), st.binary(max_size=80))
def test_any_bytes_in_three_segments_are_refused(head: bytes, body: bytes, end: bytes) -> None:
    """Well-formed base64url with anything inside."""
    assert outcome(".".join(map(text, (head, body, end)))) is None


@given(JSON)
@settings(max_examples=200)
def test_any_signed_json_is_claims_or_refused(value: Any) -> None:
    """An issuer that signs anything at all: what comes out keeps the four promises."""
    raw = json.dumps(value).encode()
    claims = outcome(mint("EdDSA", claims=raw), "EdDSA")
    assert claims is None or claims.subject


@given(st.dictionaries(st.sampled_from([*CLAIMS, "scope", "x"]), JSON, max_size=3))
@settings(max_examples=200)
@example({})
@example({"exp": 1e308})
@example({"sub": "\u0000"})
def test_any_change_of_honest_claims_is_claims_or_refused(change: dict[str, Any]) -> None:
    """Whatever is admitted is of our issuer, for us, about somebody, and ends."""
    claims = outcome(mint("EdDSA", claims=change), "EdDSA")
    if change == {}:
        assert claims is not None
    if claims is not None:
        assert (claims.issuer, CLAIMS["aud"] in claims.audience) == (CLAIMS["iss"], True)
        assert claims.subject.isprintable()
        assert claims.expires_at > AT
        assert claims.issued_at is None or claims.issued_at <= AT
        assert isinstance(claims.scope, frozenset)
        assert dict(claims).keys() >= {"iss", "aud", "sub", "exp"}


@given(st.dictionaries(st.sampled_from(["alg", "kid", "typ", "jku", "b64", "x"]), JSON, max_size=3))
@settings(max_examples=200)
@example({})
def test_any_signed_header_is_claims_or_refused(change: dict[str, Any]) -> None:
    """Only one that names our algorithm, key and type comes through."""
    token = mint("EdDSA", header=change)
    claims = outcome(token, "EdDSA")
    if claims is not None:
        assert not {"jku", "b64"} & change.keys()
        assert change.get("alg", "EdDSA") == "EdDSA"
    if change == {}:
        assert claims is not None


@pytest.mark.parametrize("algorithm", SIX)
@given(data=st.data())
@settings(max_examples=120)
def test_one_flipped_bit_anywhere_is_refused(algorithm: str, data: st.DataObject) -> None:
    """Of the text of a token; the twin is the token itself."""
    token = honest(algorithm)
    place = data.draw(st.integers(0, len(token) * 8 - 1))
    raw = bytearray(token.encode())
    raw[place // 8] ^= 1 << place % 8
    assert outcome(raw.decode("latin-1"), algorithm) is None
    assert outcome(token, algorithm) is not None


def test_every_flipped_bit_is_refused() -> None:
    """All of them, once, for the shortest token: not a sample."""
    token = honest("HS256")
    for place in range(len(token) * 8):
        raw = bytearray(token.encode())
        raw[place // 8] ^= 1 << place % 8
        with pytest.raises(Refused):
            verify_token(raw.decode("latin-1"), like("HS256"), at=AT)
    assert outcome(token, "HS256") is not None


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_one_algorithm_is_none_of_another(algorithm: str) -> None:
    """Each signs for its own policy alone, whatever name the header bears."""
    for other in ALGORITHMS:
        for named in {algorithm, other}:
            token = mint(named, signed_as=algorithm)
            is_ours = algorithm == other == named
            assert (outcome(token, other) is not None) is is_ours, (named, other)


@given(JSON)
@settings(max_examples=200)
def test_any_value_as_keys_is_keys_or_a_boundary_error(value: Any) -> None:
    """Whatever an issuer publishes: a snapshot, or the one exception."""
    for keys in (value, {"keys": [value, jwk_of("ES256")]}, {"keys": value}, str(value).encode()):
        try:
            keys_found = len(KeySet.of(keys).keys)
        except BoundaryError as error:
            keys_found = len(error.debts)
        assert keys_found


@given(
    st.sampled_from(["n", "e", "x", "y", "k", "crv", "kty", "kid", "alg", "use", "key_ops"]),
    JSON,
    st.sampled_from(SIX),
)
@settings(max_examples=200)
def test_any_member_of_a_key_is_a_key_or_a_boundary_error(
    name: str, value: Any, algorithm: str
) -> None:
    """One member of an honest JWK is anything."""
    try:
        found = len(KeySet.of(jwk_of(algorithm, **{name: value})).keys)
    except BoundaryError as error:
        found = len(error.debts)
    assert found


@pytest.mark.parametrize("algorithm", SIX)
def test_no_text_of_a_refusal_holds_token_or_secret(algorithm: str) -> None:
    """Message, arguments, problem, traceback."""
    secret = private_key(algorithm)
    token = mint(algorithm, private=private_key(algorithm, "other"), claims={"sub": "CANARY"})
    with pytest.raises(Refused) as caught:
        verify_token(token, like(algorithm), at=AT)
    told = "".join(traceback.format_exception(caught.value))
    told += f"{caught.value!r} {caught.value.args} {caught.value.problem()} {like(algorithm)!r}"
    parts = [part[:16] for part in token.split(".") if part] + ["CANARY"]
    if isinstance(secret, bytes):
        parts += [text(secret)[:12], secret.hex()[:12]]
    else:
        parts.append(pem_of(rsa_key()).decode().splitlines()[2])
    assert [part for part in parts if part in told] == []
