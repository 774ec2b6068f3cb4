"""The digest of content stands for the content itself, or is refused."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.proofs.authentic.content_digest import (
    MAX_FIELD,
    content_digest,
    require_digest,
)
from pratique.core.refusal import Refused

CONTENT = b'{"hello": "world"}'
BOTH = ", ".join(content_digest(CONTENT, name) for name in ("sha-256", "sha-512"))
MD5 = f"md5=:{base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()}:"


def refused(*lines: str, content: bytes = CONTENT) -> str:
    """Return the code with which content under these lines is refused; "" where it passes."""
    try:
        require_digest(lines, content)
    except Refused as refusal:
        return refusal.code
    return ""


def test_the_digest_of_the_standard_holds() -> None:
    """RFC 9530 §B: the digest of this very content, by somebody else."""
    told = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    assert content_digest(CONTENT) == told
    assert refused(told) == ""


def test_every_known_digest_is_compared() -> None:
    """One that holds beside one that doesn't is refused: two readers take different ones."""
    first, second = BOTH.split(", ")
    assert refused(first, second) == refused(BOTH) == refused(MD5, first) == ""
    assert refused(first, content_digest(b"other", "sha-512")) == "wrong_digest"
    assert refused(BOTH, content=CONTENT + b" ") == "wrong_digest"


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "missing_digest"),
        (("",), "weak_digest"),
        ((MD5,), "weak_digest"),
        ((content_digest(CONTENT), content_digest(CONTENT)), "malformed_digest"),
        (("sha-256",), "malformed_digest"),
        (("sha-256=()",), "malformed_digest"),
        (('sha-256="abc"',), "malformed_digest"),
        (("sha-256=::",), "wrong_digest"),
        (("SHA-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",), "malformed_digest"),
        ((BOTH + "," + " " * MAX_FIELD,), "malformed_digest"),
    ],
)
def test_what_is_no_digest_is_refused(lines: tuple[str, ...], code: str) -> None:
    """Absent, weak, twice, another type, another case, too long. The twins stand above."""
    assert refused(*lines) == code


@given(st.lists(st.text(max_size=40), max_size=3), st.binary(max_size=20))
def test_any_lines_are_refused_or_hold(lines: list[str], content: bytes) -> None:
    """Nothing but Refused leaves."""
    assert isinstance(refused(*lines, content=content), str)
