"""A key does one thing: its own algorithm, with what it was given."""

import base64
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pratique import Secret
from pratique.core.proofs.authentic.rfc9421 import Algorithm, MessageKey
from pratique.core.refusal import BoundaryError
from tests.core.proofs.authentic.rfc9421.parties import (
    OURS,
    SECRET,
    THEIRS,
    answer_policy,
    material,
    pair,
    policy,
    private_pem,
    public_pem,
)


@pytest.mark.parametrize("algorithm", [a for a in Algorithm if a is not Algorithm.HMAC_SHA256])
def test_a_key_of_another_algorithm_is_refused(algorithm: Algorithm) -> None:
    """RSA as EC, P-384 as P-256: refused where it is written. The two of RSA share their keys."""
    for other in Algorithm:
        if other is Algorithm.HMAC_SHA256:
            continue
        pem = public_pem(material(other))
        if algorithm is other or {algorithm, other} == {
            Algorithm.RSA_PSS_SHA512,
            Algorithm.RSA_V1_5_SHA256,
        }:
            assert MessageKey.public("k", algorithm, pem).algorithm is algorithm
            continue
        with pytest.raises(BoundaryError, match="isn't one for"):
            MessageKey.public("k", algorithm, pem)
        with pytest.raises(BoundaryError, match="isn't one for"):
            MessageKey.private("k", algorithm, private_pem(material(other)))


def test_a_weak_key_is_refused() -> None:
    """1024 bits of RSA, a curve that the registry doesn't have."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  it is to be refused
    with pytest.raises(BoundaryError, match="1024 bits"):
        MessageKey.public("k", "rsa-pss-sha512", public_pem(weak))
    with pytest.raises(BoundaryError, match="isn't one for"):
        MessageKey.public(
            "k", "ecdsa-p256-sha256", public_pem(ec.generate_private_key(ec.SECP256K1()))
        )


def test_a_public_key_signs_nothing() -> None:
    """The private one does, and nothing of it is shown or pickled."""
    with pytest.raises(BoundaryError, match="signs nothing"):
        THEIRS.sign(b"base")
    assert THEIRS.verify(OURS.sign(b"base"), b"base")
    with pytest.raises(TypeError, match="not picklable"):
        pickle.dumps(OURS)


@pytest.mark.parametrize("algorithm", list(Algorithm))
@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\xff" * 96, b"\0" * 256, b"x" * 5000])
def test_any_bytes_are_no_signature(algorithm: Algorithm, signature: bytes) -> None:
    """No length and no number raises anything."""
    private, public = pair(algorithm)
    assert not public.verify(signature, b"base")
    assert public.verify(private.sign(b"base"), b"base")


@pytest.mark.parametrize("algorithm", [Algorithm.ECDSA_P256_SHA256, Algorithm.ECDSA_P384_SHA384])
def test_a_signature_has_one_length(algorithm: Algorithm) -> None:
    """RFC 9421 §3.3.4: r and s of the curve's length; a zero more is another text of the same."""
    private, public = pair(algorithm)
    made = private.sign(b"base")
    half = len(made) // 2
    assert public.verify(made, b"base")
    assert not public.verify(made[:half] + b"\0" + made[half:], b"base")


def test_a_shared_secret_is_read_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the environment, in base64; before the start it verifies nothing."""
    key = MessageKey.shared("k", Secret.env("PARTNER_HMAC"))
    owes = policy(keys=[key])
    assert any("not set" in debt for debt in owes.prepare())
    with pytest.raises(BoundaryError, match="hasn't started"):
        key.verify(b"", b"")
    monkeypatch.setenv("PARTNER_HMAC", "not base64, and long enough: äöü")
    assert any("base64" in debt for debt in owes.prepare())
    monkeypatch.setenv("PARTNER_HMAC", base64.b64encode(SECRET[:31]).decode())
    assert any("at least 32" in debt for debt in owes.prepare())
    monkeypatch.setenv("PARTNER_HMAC", base64.b64encode(SECRET).decode())
    assert owes.prepare() == []
    assert key.verify(MessageKey.shared("k", SECRET).sign(b"base"), b"base")
    optional = MessageKey.shared("k", Secret.optional("UNSET_HMAC"))
    assert any("unset" in debt for debt in answer_policy(keys=[optional]).prepare())
