"""Ed25519: RFC 8032's own case, and what is no key."""

import pytest

from pratique.core.proofs.authentic import Ed25519Key

SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)
ORDER = 2**252 + 27742317777372353535851937790883648493


def test_rfc_8032_case_1() -> None:
    """Signing and verifying; one byte of content more is refused."""
    assert Ed25519Key.of_private(SEED).sign(b"") == SIGNATURE
    assert Ed25519Key.of_public(PUBLIC).verify(SIGNATURE, b"")
    assert not Ed25519Key.of_public(PUBLIC).verify(SIGNATURE, b"\0")


def test_a_malleable_twin_is_refused() -> None:
    """RFC 8032 §5.1.7: S + L solves the same equation and is no signature."""
    twin = int.from_bytes(SIGNATURE[32:], "little") + ORDER
    forged = SIGNATURE[:32] + twin.to_bytes(32, "little")
    assert not Ed25519Key.of_public(PUBLIC).verify(forged, b"")


@pytest.mark.parametrize(
    "raw",
    [b"", SEED[:31], SEED + b"x", SEED + b"x" * 32, SEED + PUBLIC * 2],
    ids=["empty", "31 bytes", "33 bytes", "another public key", "96 bytes"],
)
def test_what_is_no_private_key_is_refused(raw: bytes) -> None:
    """The twins: 32 bytes, or 64 with the public key that belongs to them."""
    with pytest.raises(ValueError, match="private key"):
        Ed25519Key.of_private(raw)
    assert Ed25519Key.of_private(SEED + PUBLIC).sign(b"") == SIGNATURE


def test_a_public_key_only_verifies() -> None:
    """Signing needs the private one."""
    with pytest.raises(ValueError, match="only verifies"):
        Ed25519Key.of_public(PUBLIC).sign(b"")
