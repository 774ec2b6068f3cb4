"""One URL of ours and one of a client's are the same one, or not."""

import pytest

from pratique.core.proofs.authentic.request_url import normal_path, normal_url, origin_of
from pratique.core.refusal import BoundaryError


@pytest.mark.parametrize(
    "spelling",
    [
        "https://api.example/a~b",
        "HTTPS://API.Example/a~b",
        "https://api.example:443/a~b",
        "https://api.example/a%7Eb",
        "https://api.example/a%7eb",
        "https://api.example/%61~b",
        "https://api.example/a~b?x=https://evil.example/",
        "https://api.example/a~b#top",
    ],
)
def test_spellings_of_one_url(spelling: str) -> None:
    """RFC 3986 §6.2.2, §6.2.3; RFC 9449 §4.3: query and fragment aren't looked at."""
    assert normal_url(spelling) == "https://api.example/a~b"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://api.example/a", "http://api.example/a"),
        ("https://api.example/a", "https://api.example:8443/a"),
        ("https://api.example/a", "https://api.example./a"),
        ("https://api.example/a", "https://api.example/A"),
        ("https://api.example/a", "https://api.example/a/"),
        ("https://api.example/a", "https://api.example//a"),
        ("https://api.example/a/b", "https://api.example/a%2Fb"),
        ("https://api.example/a;v=1", "https://api.example/a"),
    ],
)
def test_two_urls_stay_two(one: str, other: str) -> None:
    """What a server may take for two things isn't made one."""
    assert normal_url(one) != normal_url(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/a",
        "//api.example/a",
        "ftp://api.example/a",
        "https://user@api.example/a",
        "https://api.example@evil.example/a",
        "https://api.example\\@evil.example/a",
        "https://api.example/a/../b",
        "https://api.example/a/%2E%2e/b",
        "https://api.example/./b",
        "https://api.example/%zz",
        "https://api.example/%4",
        "https://api.example/a b",
        "https://api.example/a\n",
        "https://api.example/\u00e4",
        "http\u017f://api.example/a",
        "https://\u212aey.example/a",
        "https://api.example:/a",
        "https://api.example/" + "a" * 4096,
    ],
)
def test_what_is_no_url_of_a_request(text: str) -> None:
    """Two readers would see two of them (CWE-436); its twin is read."""
    with pytest.raises(ValueError, match=r"^it "):
        normal_url(text)
    assert normal_url("https://api.example") == "https://api.example/"


def test_a_path_begins_with_a_slash() -> None:
    """An absolute request target would bring its own host."""
    for text in ("", "a", "*", "http://evil.example/a", "/a/..", "/a?b"):
        with pytest.raises(ValueError, match=r"^it "):
            normal_path(text)
    assert normal_path("/a%2fb/%7euser") == "/a%2Fb/~user"


def test_an_origin_is_declared() -> None:
    """https, in lower case, without path; http on this machine alone."""
    for text in (
        "",
        None,
        "api.example",
        "https://api.example/",
        "https://api.example/v1",
        "https://API.example",
        "https://api.example:443",
        "http://api.example",
        "http://localhost.evil.example",
    ):
        with pytest.raises(BoundaryError, match=r"where clients reach us|an origin alone"):
            origin_of(text, where="DPoPToken(origin=…)")
    for text in ("https://api.example", "https://api.example:8443", "http://localhost:8000"):
        assert origin_of(text, where="DPoPToken(origin=…)") == text
