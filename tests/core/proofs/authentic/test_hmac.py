"""The pre-keyed HMAC against the standard library's, and RFC 4231's own cases."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.proofs.authentic import HmacKey


@given(
    key=st.binary(max_size=200),
    pieces=st.lists(st.binary(max_size=100), max_size=4),
    digest=st.sampled_from(["sha1", "sha256", "sha384", "sha512"]),
)
def test_it_is_the_standard_library_s_hmac_of_the_pieces_in_a_row(
    key: bytes, pieces: list[bytes], digest: str
) -> None:
    """Keys below, at and above the block size (RFC 2104 §2)."""
    ours = HmacKey(key, digest)
    assert ours.digest(*pieces) == hmac.digest(key, b"".join(pieces), digest)
    assert ours.digest(*pieces) == ours.digest(b"".join(pieces))


@pytest.mark.parametrize(
    ("key", "content", "mac"),
    [
        (
            b"\x0b" * 20,
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            b"\xaa" * 131,
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ],
)
def test_rfc_4231(key: bytes, content: bytes, mac: str) -> None:
    """Cases 1, 2 and 6."""
    assert HmacKey(key).digest(content).hex() == mac


def test_no_text_of_a_key_shows_it() -> None:
    """Law 5."""
    assert "topsecret" not in repr(HmacKey(b"topsecret"))
