"""The hash of the content in a field of its own, so that a signature over fields covers it too."""

import hashlib
from collections.abc import Callable
from hmac import compare_digest
from typing import Any, Final

from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.core.structured import Item, Malformed, read_dictionary, write_dictionary

CONTENT_DIGEST: Final = "Content-Digest"
MAX_FIELD: Final = 1024
"""Characters of all lines together; both algorithms take 150."""
# RFC 9530 §5: the active ones. md5, sha and the checksums are "deprecated", and prove nothing
# against somebody who chooses the content.
_ALGORITHMS: Final[dict[str, Callable[[bytes], Any]]] = {
    "sha-256": hashlib.sha256,
    "sha-512": hashlib.sha512,
}


def content_digest(content: bytes, algorithm: str = "sha-256") -> str:
    """Return the value of Content-Digest for content as it goes over the wire.

    Args:
        content: With its Content-Encoding applied.
        algorithm: "sha-256" or "sha-512".

    Source: RFC 9530 §2.
    """
    digest: bytes = _ALGORITHMS[algorithm](content).digest()
    return write_dictionary({algorithm: Item(digest)})


def require_digest(lines: tuple[str, ...], content: bytes) -> None:
    """Refuse content that isn't the one whose digest the field holds.

    Every algorithm that is active is compared, and at least one must be there; a deprecated one
    counts for nothing.

    Args:
        lines: Every line of Content-Digest.
        content: As it came over the wire, before any Content-Encoding is undone.

    Raises:
        Refused: AUTHENTIC, code "missing_digest", "malformed_digest", "weak_digest",
            "wrong_digest".

    Source: RFC 9530 §2, §5; CWE-345.
    """
    if not lines:
        raise Refused(AUTHENTIC, "there is no Content-Digest", code="missing_digest")
    text = ", ".join(lines)
    if len(text) > MAX_FIELD:
        detail = f"Content-Digest has {len(text)} characters, at most {MAX_FIELD} are read"
        raise Refused(AUTHENTIC, detail, code="malformed_digest")
    try:
        members = read_dictionary(text)
    except Malformed as error:
        raise Refused(
            AUTHENTIC, f"Content-Digest is malformed: {error}", code="malformed_digest"
        ) from None
    known = [(name, made) for name, made in _ALGORITHMS.items() if name in members]
    if not known:
        raise Refused(
            AUTHENTIC, "Content-Digest holds neither sha-256 nor sha-512", code="weak_digest"
        )
    for name, made in known:
        said = members[name]
        if not isinstance(said, Item) or not isinstance(said.value, bytes):
            detail = "Content-Digest is malformed: a digest isn't a byte sequence"
            raise Refused(AUTHENTIC, detail, code="malformed_digest")
        if not compare_digest(made(content).digest(), said.value):
            raise Refused(
                AUTHENTIC,
                f"the content isn't the one whose {name} the sender signed",
                code="wrong_digest",
                hint="look for something on the way that re-serialises or decodes the content",
            )
