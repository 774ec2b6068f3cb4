"""What we may say of ourselves: what is proven, never that something is safe from everything."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGE, ROOT

CLAIMS = re.compile(
    r"\b(?:secure|securely|compliant|complies with|unhackable|bullet-?proof|military[- ]grade"
    r"|exactly[- ]once delivery)\b",
    re.IGNORECASE,
)
# Names that other people gave, quoted: titles of requirements, and a cookie's attribute.
QUOTED = re.compile(
    r'OWASP[^.\n]*|ASVS[^.\n]*|NIST[^.\n]*|"Secure"|`Secure`|Secure;', re.IGNORECASE
)


def boasts(text: str) -> Iterator[str]:
    """Yield each word that claims what no library can hold."""
    yield from (found.group() for found in CLAIMS.finditer(QUOTED.sub("", text)))


def texts() -> Iterator[Path]:
    """Yield every file in which the project speaks of itself."""
    yield from sorted(PACKAGE.rglob("*.py"))
    yield from sorted((ROOT / "docs").rglob("*.md"))
    yield from sorted(ROOT.glob("*.md"))


def test_nothing_boasts() -> None:
    """Source, docs and the pages at the root name proofs and figures instead."""
    found = {
        str(path.relative_to(ROOT)): words
        for path in texts()
        if (words := list(boasts(path.read_text(encoding="utf-8"))))
    }
    assert found == {}


@pytest.mark.parametrize("planted", ["a secure webhook", "is compliant", "Exactly-once delivery"])
def test_a_boast_is_found(planted: str) -> None:
    """The rule bites."""
    assert list(boasts(planted)) != []


@pytest.mark.parametrize(
    "plain", ["security", "insecure", "OWASP API8: how to be secure", "exactly-once effect"]
)
def test_plain_words_pass(plain: str) -> None:
    """The twins: the field's nouns, and titles that others gave."""
    assert list(boasts(plain)) == []
