"""What an issuer answers is one JSON object, whichever fetcher brought it."""

import pytest

from pratique.core.claim import Fields
from pratique.fetch import Response
from pratique.keys.answered import MAX_CONTENT_BYTES, UnusableError, is_issuer_url, object_in

JSON = ("Content-Type", "application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("status", "lines", "content"),
    [
        (201, [JSON], b"{}"),
        (500, [JSON], b"{}"),
        (200, [], b"{}"),
        (200, [JSON, JSON], b"{}"),
        (200, [("Content-Type", "text/json")], b"{}"),
        (200, [JSON], b""),
        (200, [JSON], b"[]"),
        (200, [JSON], b'{"a": 1, "a": 1}'),
        (200, [JSON], b"{}" + b" " * MAX_CONTENT_BYTES),
    ],
)
def test_anything_else_is_unusable(
    status: int, lines: list[tuple[str, str]], content: bytes
) -> None:
    """Another status, no type or two, another one, no object, a member twice, too much; the twin is read."""
    with pytest.raises(UnusableError):
        object_in(Response("https://a.test", status, Fields(lines), content))
    assert object_in(Response("https://a.test", 200, Fields([JSON]), b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://a.test/realm", True),
        ("http://localhost:8080", True),
        ("http://[::1]:8080/x", True),
        ("http://a.test", False),
        ("http://127.0.0.1.evil.test", False),
        ("https://a.test/ x", False),
        ("https://a.test/#", False),
        ("https://[::1", False),
        ("https://ä.test", False),
        (None, False),
    ],
)
def test_an_issuer_has_a_url_of_https(url: object, is_one: bool) -> None:
    """RFC 8414 §2; http on this machine alone."""
    assert is_issuer_url(url) is is_one
