"""What is a key, what is none, and which token a key is asked for."""

import pickle
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pratique.core.proofs.authentic.key import Key, KeySet, key_source
from pratique.core.refusal import BoundaryError
from tests.tokens import (
    ALGORITHMS,
    AT,
    jwk_of,
    number_octets,
    pem_of,
    private_key,
    rsa_key,
    sign,
    text,
)

ES, RS, HS, ED = "ES256", "RS256", "HS256", "EdDSA"
SECRET = private_key(HS)


def refused(keys: object, said: str) -> None:
    """Require that nothing comes of it, and that the reason says so."""
    with pytest.raises(BoundaryError, match=said):
        KeySet.of(keys)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_for_the_algorithms_of_its_kind(algorithm: str) -> None:
    """A JWK is pinned to its alg; without one to its kind, curve and length. RFC 7518 §3."""
    bare = Key.of_jwk(jwk_of(algorithm, alg=algorithm))
    assert bare.algorithms == {algorithm}
    jwk = jwk_of(algorithm)
    del jwk["alg"]
    same_kind = {
        "HS": {"HS256", "HS384", "HS512"},
        "RS": {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"},
        "ES": {algorithm},
        "Ed": {"EdDSA", "Ed25519"},
    }
    assert Key.of_jwk(jwk).algorithms == same_kind[algorithm[:2].replace("PS", "RS")]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_verifies_its_own_signature_alone(algorithm: str) -> None:
    """Of the key, over the bytes, whole. Each refusal is one change away."""
    check = Key.of_jwk(jwk_of(algorithm)).verifier(algorithm)
    signature = sign(algorithm, private_key(algorithm), b"content")
    other = private_key(algorithm, "somebody else")
    assert check(signature, b"content")
    assert not check(signature, b"contents")
    assert not check(sign(algorithm, other, b"content"), b"content")
    for wrong in (b"", signature[:-1], signature + b"\0", b"\0" + signature, bytes(len(signature))):
        assert not check(wrong, b"content")


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_an_ecdsa_signature_has_one_length(algorithm: str) -> None:
    """RFC 7518 §3.4: a zero octet before S is the same number and no signature; DER is none either."""
    check = Key.of_jwk(jwk_of(algorithm)).verifier(algorithm)
    signature = sign(algorithm, private_key(algorithm), b"content")
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    assert not check(signature[:half] + b"\0" + signature[half:], b"content")
    assert not check(b"\0" + signature[:half] + b"\0" + signature[half:], b"content")
    assert not check(encode_dss_signature(r, s), b"content")
    assert check(signature, b"content")


def test_a_fully_specified_name_is_another_algorithm() -> None:
    """RFC 9864: a key pinned to EdDSA doesn't serve Ed25519, and the other way round."""
    assert Key.of_jwk(jwk_of(ED, alg="Ed25519")).algorithms == {"Ed25519"}
    refused(jwk_of(ED, alg="Ed448"), "can't serve")


@pytest.mark.parametrize(
    ("algorithm", "change", "said"),
    [
        (ES, {"use": "enc"}, "use"),
        (ES, {"use": None}, "use"),
        (ES, {"key_ops": ["sign"]}, "key_ops"),
        (ES, {"key_ops": []}, "key_ops"),
        (ES, {"key_ops": "verify"}, "key_ops"),
        (ES, {"alg": "ES384"}, "can't serve"),
        (ES, {"alg": None}, "alg is no text"),
        (ES, {"alg": "none"}, "can't serve"),
        (ES, {"kid": 1}, "kid"),
        (ES, {"kid": ""}, "kid"),
        (ES, {"kty": "RSA"}, "member e is no"),
        (ES, {"kty": ["EC"]}, "kty and crv"),
        (ES, {"crv": "P-384"}, "octets, 48"),
        (ES, {"crv": "secp256k1"}, "kty and crv"),
        (ES, {"crv": ["P-256"]}, "kty and crv"),
        (ES, {"x": text(bytes(32))}, "can't be read"),
        (ES, {"y": text(b"\0" + bytes(32))}, "33 octets"),
        (ES, {"y": "ü"}, "no base64url text"),
        (ES, {"d": "AA"}, "private"),
        (ED, {"x": text(bytes(31))}, "31 octets"),
        (ED, {"crv": "X25519"}, "kty and crv"),
        (RS, {"n": "AA"}, "zero octet"),
        (RS, {"n": ""}, "empty"),
        (RS, {"e": "AQ"}, "exponent|can't be read"),
        (RS, {"e": text(number_octets(65538))}, "exponent|can't be read"),
        (RS, {"e": text(number_octets(2**257 + 1))}, "exponent|can't be read"),
        (RS, {"n": jwk_of(RS)["n"] + "="}, "base64url"),
        (RS, {"p": "AA"}, "private"),
        (HS, {"k": text(SECRET[:31])}, "31 bytes"),
        (HS, {"k": ""}, "0 bytes"),
        (HS, {"k": 5}, "no base64url text"),
        ("HS384", {"k": text(SECRET[:47])}, "can't serve"),
        ("HS512", {"k": text(SECRET[:63])}, "can't serve"),
    ],
)
def test_what_is_no_key_for_tokens_is_refused(algorithm: str, change: Any, said: str) -> None:
    """The twin is the same JWK unchanged."""
    refused(jwk_of(algorithm, **change), said)
    assert len(KeySet.of(jwk_of(algorithm)).keys) == 1


@pytest.mark.parametrize("change", [{"key_ops": ["verify"]}, {"ext": True}, {"x5t": "AA"}])
def test_what_says_nothing_against_it_is_passed_over(change: Any) -> None:
    """The twins: for verifying, or a member that isn't ours."""
    assert len(KeySet.of(jwk_of(ES, **change)).keys) == 1


def test_refuses_a_short_rsa_key_and_one_that_costs_too_much() -> None:
    """RFC 7518 §3.3: 2048 bits or more; above 8192 a check is an attack on our processor."""
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505  that is the point
    refused(pem_of(short), "1024 bits")
    jwk = jwk_of(RS, n=text(number_octets((1 << 8200) + 1)))
    refused(jwk, "8201 bits")
    assert KeySet.of(pem_of(rsa_key())).keys


def test_refuses_a_key_of_the_broken_chip() -> None:
    """CVE-2017-15361: a modulus that is a power of 65537 in every small group. The twin: two less."""
    product = 1
    for prime in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79,
                  83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167):  # fmt: skip
        product *= prime
    modulus = (1 << 2047) + (pow(65537, 9, product) - (1 << 2047)) % product
    refused(jwk_of(RS, n=text(number_octets(modulus))), "broken chip")
    assert KeySet.of(jwk_of(RS, n=text(number_octets(modulus - 2)))).keys


def test_a_curve_that_no_algorithm_has_is_refused() -> None:
    """ES256K, Ed448 and DSA aren't served; the twin is P-256."""
    refused(pem_of(ec.generate_private_key(ec.SECP256K1())), "neither RSA")
    refused(pem_of(ed448.Ed448PrivateKey.generate()), "neither RSA")
    assert KeySet.of(pem_of(private_key(ES)).decode()).keys[0].algorithms == {"ES256"}


def certificate() -> x509.Certificate:
    """Return a certificate of the RSA key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "idp.example")])
    made = x509.CertificateBuilder(name, name, rsa_key().public_key(), 1, AT, AT.replace(year=2030))
    return made.sign(rsa_key(), SHA256())


def public_forms() -> dict[str, bytes]:
    """Return the forms in which a public key lies about."""
    public = rsa_key().public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        "PKCS#1 DER": public.public_bytes(Encoding.DER, PublicFormat.PKCS1),
        "DER": der,
        "DER in base64": text(der).replace("-", "+").replace("_", "/").encode()
        + b"=" * (-len(text(der)) % 4),
        "SSH": public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
        "a certificate's DER": certificate().public_bytes(Encoding.DER),
        "JWK": str(jwk_of(RS)).replace("'", '"').encode(),
        "JWKS": str({"keys": [jwk_of(RS)]}).replace("'", '"').encode(),
    }


@pytest.mark.parametrize("form", public_forms())
def test_a_public_key_is_never_a_secret(form: str) -> None:
    """SV-06: whoever knows the public key could sign with it (CVE-2015-9235, CVE-2022-29217)."""
    refused(public_forms()[form], "everybody could sign")
    refused(jwk_of(HS, k=text(public_forms()[form])), "everybody could sign")
    assert KeySet.of(SECRET).keys[0].is_secret


def test_a_pem_as_the_bytes_of_a_secret_is_a_public_key() -> None:
    """A PEM in bytes is read as what it is, wherever it stands: no HMAC is made of it."""
    pem = pem_of(private_key(ES))
    assert not KeySet.of(pem).keys[0].is_secret
    refused(b"x" + pem, "isn't one PEM")
    refused(pem + pem, "isn't one PEM")
    refused(jwk_of(HS, k=text(pem)), "everybody could sign")
    refused(certificate().public_bytes(Encoding.PEM), "certificate")
    refused(pem.replace(b"M", b"!"), "can't be read")
    private = private_key(ES).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    refused(private, "private key")
    refused("a text that is no PEM and long enough", "isn't one PEM")


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "kty"),
        ({"keys": []}, "at least one"),
        ({"keys": {}}, "at least one"),
        ({"keys": [jwk_of(ES)], "kty": "EC"}, "at least one"),
        ({"keys": ["x", None]}, "kty"),
        ({"keys": [jwk_of(ES, use="enc"), jwk_of(RS, alg="RSA-OAEP")]}, "2 debts"),
        ({"keys": [jwk_of(ES), jwk_of(HS, kid="k2")]}, "own TokenPolicy"),
        (5, "keys= is a int"),
        (None, "keys= is a NoneType"),
        (b"", "0 bytes"),
        ("", "PEM"),
    ],
)
def test_what_holds_no_key_is_refused(keys: object, said: str) -> None:
    """Empty is not "unset". The twins stand in the next test."""
    refused(keys, said)


def test_a_set_passes_over_what_is_for_something_else() -> None:
    """RFC 7517 §5: an issuer publishes keys for other purposes, and kinds that we don't know."""
    others = [jwk_of(RS, use="enc", kid="k2"), {"kty": "new"}, jwk_of(ES, kid="k3", crv="P-999"), 5]
    found = KeySet.of({"keys": [jwk_of(ES), *others]})
    assert [key.name for key in found.keys] == ["k1"]
    assert len(found.unusable) == 4
    with pytest.raises(BoundaryError, match="own TokenPolicy"):
        KeySet([Key.of_jwk(jwk_of(ES)), Key(SECRET)])


def test_a_token_is_for_the_key_that_it_names() -> None:
    """By name; nameless only in a set of one. Nothing is guessed."""
    two = KeySet.of({"keys": [jwk_of(ES), jwk_of(RS, kid="k2")]})
    assert [two.find(name) and two.find(name).name for name in ("k1", "k2")] == ["k1", "k2"]  # type: ignore[union-attr]
    assert two.find("k3") is None
    assert two.find(None) is None
    one = KeySet.of(jwk_of(ES))
    assert one.find(None) is one.keys[0]
    assert one.find("k2") is None
    beside_another = KeySet.of({"keys": [jwk_of(ES), jwk_of(RS, use="enc", kid="k2")]})
    assert beside_another.find(None) is None
    nameless = KeySet.of(pem_of(private_key(ES)))
    assert nameless.find("whatever") is nameless.find(None) is nameless.keys[0]
    assert KeySet([]).find(None) is None


def test_two_keys_of_one_name_are_none() -> None:
    """RFC 7517 §4.5: which of them was meant? Also where one of them is broken. The twin: other names."""
    twice = {"keys": [jwk_of(ES), jwk_of(RS), jwk_of("RS384", kid="k2")]}
    broken = {"keys": [jwk_of(ES), jwk_of(RS, n="AA"), jwk_of("RS384", kid="k2")]}
    for keys in (twice, broken):
        found = KeySet.of(keys)
        assert found.find("k1") is None
        assert found.find("k2") is not None
    assert KeySet([Key.of_jwk(jwk_of(ES)), Key.of_jwk(jwk_of(RS))]).find("k1") is None
    for_two_uses = KeySet.of({"keys": [jwk_of(ES), jwk_of(RS, use="enc")]})
    assert for_two_uses.find("k1") is not None


def test_a_version_is_for_its_keys_alone() -> None:
    """The same keys in another order are the same; a name, a pin or a key more is another."""
    es, rs = jwk_of(ES), jwk_of(RS, kid="k2")
    assert KeySet.of({"keys": [es, rs]}).version == KeySet.of({"keys": [rs, es]}).version
    unpinned = {name: value for name, value in es.items() if name != "kid"}
    sets: list[Any] = [
        es,
        unpinned,
        rs,
        {"keys": [es, rs]},
        {"keys": [es, jwk_of(RS, use="enc")]},
        jwk_of(ES, kid="k9"),
        jwk_of(RS, alg="PS256", kid="k2"),
        SECRET,
        SECRET[:63],
    ]
    assert len({KeySet.of(keys).version for keys in sets}) == len(sets)


def test_no_text_holds_a_secret() -> None:
    """Neither repr nor pickle nor version."""
    keys = KeySet.of(jwk_of(HS))
    for told in (repr(keys), repr(keys.keys[0]), keys.version):
        assert text(SECRET)[:8] not in told
        assert SECRET.hex()[:8] not in told
    for one in (keys, keys.keys[0]):
        with pytest.raises(TypeError, match="not picklable"):
            pickle.dumps(one)


def test_a_source_is_taken_as_it_is() -> None:
    """What has a snapshot is asked for it each time; a set is its own."""

    class Rolling:
        current = KeySet.of(jwk_of(ES))

    source = Rolling()
    assert key_source(source) is source
    assert key_source(Rolling.current) is Rolling.current
    assert key_source(jwk_of(ES)).current.version == Rolling.current.version
