"""gate: one grammar, our canonical URL, a refusal for everything else."""

import httpx
import httpx2
import pytest
import requests
import yarl
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy, gate

ANY = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, ports={80, 443, 8080})
NAMED = FetchPolicy(hosts={"img.example", "*.cdn.example", "bücher.example"})


def refused(url: str, policy: FetchPolicy = ANY) -> str:
    """Return the code with which a URL is refused."""
    with pytest.raises(Refused) as caught:
        gate(url, policy)
    return caught.value.code


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://A.Example", "http://a.example/"),
        ("http://a.example:80/x?y#z", "http://a.example/x?y"),
        ("https://a.example:443", "https://a.example/"),
        ("http://a.example:8080/", "http://a.example:8080/"),
        ("http://a.example./", "http://a.example/"),
        ("http://a.example/a/./b/../c/", "http://a.example/a/c/"),
        ("http://a.example/%7euser/%2e%2e/x", "http://a.example/x"),
        ("http://a.example/%2f../x", "http://a.example/%2F../x"),
        ("http://a.example/../../x", "http://a.example/x"),
        ("http://a.example/ü?ü", "http://a.example/%C3%BC?%C3%BC"),
        ("http://a.example/100%", "http://a.example/100%25"),
        ("http://a.example/a\\b|c", "http://a.example/a%5Cb%7Cc"),
        ("http://a.example?x", "http://a.example/?x"),
        ("http://a.example/x?", "http://a.example/x"),
        ("http://a.example/'x?y='%27", "http://a.example/'x?y='%27"),
        ("http://[2606:4700:0:0::1111]:8080/", "http://[2606:4700::1111]:8080/"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://a_b.example/", "http://a_b.example/"),
    ],
)
def test_one_spelling_comes_out(url: str, canonical: str) -> None:
    """RFC 3986 §6.2: what is fetched is ours, and gating it again changes nothing."""
    target = gate(url, ANY)
    assert target.url == canonical
    assert gate(canonical, ANY) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "//a.example/",
        "http:/a.example/",
        "http:a.example/",
        "http://",
        "http:///x",
        "http://u@a.example/",
        "http://u:p@a.example/",
        "http://a.example\\@b.example/",
        "http://a.example%2eb/",
        "http://a.example:/",
        "http://a.example:080/",
        "http://a.example:+80/",
        "http://a.example:8_0/",
        "http://a.example:８０/",
        "http://a.example:65536/",
        " http://a.example/",
        "http://a.example/ ",
        "http://a.exa\tmple/",
        "http://a.example/\r\nX: y",
        "http://a.example/\x00",
        "http://a.example/" + "x" * 8200,
        "http://a.example/" + "ü" * 8000,
        "http://a.example/\ud800",
        "http://a.example/?\udfff",
        "http://a.example/#\ud800",
    ],
)
def test_refuses_what_two_parsers_could_read_differently(url: str) -> None:
    """FT-09: userinfo, backslash, controls, odd ports. The twin is the plain URL."""
    assert refused(url) == "bad_url"
    assert gate("http://a.example/x", ANY).host == "a.example"


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.2.3.4.5", "1.2.3.04", "a.1", "a.0x1",
        "[::1", "[1.2.3.4]", "[fe80::1%25eth0]", "a..b", "-a.b", "a-.b", "a" * 64, ".a", "a,b",
        "ｌｏｃａｌｈｏｓｔ", "a。b", "xn--a", "ab--c.example", "xn--bcher-kva1.example", "ⓔxample.com", "a.example..",
    ],
)  # fmt: skip
def test_refuses_a_host_that_is_no_host(host: str) -> None:
    """FT-02, FT-10: every other form of an address; names that IDNA2008 doesn't know."""
    assert refused(f"http://{host}/") in ("bad_host", "bad_url")
    assert gate("http://93.184.215.14/", ANY).host == "93.184.215.14"


@pytest.mark.parametrize(
    "scheme", ["file", "gopher", "ftp", "dict", "data", "jar", "javascript", "unix"]
)
def test_refuses_other_schemes(scheme: str) -> None:
    """FT-08: the twin is http."""
    assert refused(f"{scheme}://a.example/") == "scheme_not_allowed"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://img.example/", "scheme_not_allowed"),
        ("https://img.example:8443/", "port_not_allowed"),
        ("https://evil-img.example/", "host_not_allowed"),
        ("https://img.example.evil.test/", "host_not_allowed"),
        ("https://cdn.example/", "host_not_allowed"),
        ("https://a.b.cdn.example/", "host_not_allowed"),
        ("https://xcdn.example/", "host_not_allowed"),
    ],
)
def test_refuses_what_the_policy_does_not_name(url: str, code: str) -> None:
    """FT-10, FT-11: look-alikes, other ports; a star is one label."""
    assert refused(url, NAMED) == code
    for good in (
        "https://img.example/",
        "https://a.cdn.example/",
        "https://xn--bcher-kva.example/",
    ):
        assert gate(good, NAMED).url == good


def test_a_name_without_a_dot_is_not_of_the_open_internet() -> None:
    """It is this machine's, or its search domain's; named exactly, it may be meant."""
    assert refused("http://localhost/") == "host_not_allowed"
    assert gate("https://intranet/", FetchPolicy(hosts={"intranet"})).host == "intranet"


URLS = st.one_of(
    st.text(max_size=80),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "HTTP"]),
        st.text("abAB.-_1:@[]%\\/ü。", max_size=20),
        st.sampled_from(["", ":80", ":443", ":8080", ":", ":0"]),
        st.text("/a.%2eE?#&=\\üü'\"<>[]{}|^` ;", max_size=30),
    ),
)


@given(URLS)
def test_any_text_is_a_target_or_refused(url: str) -> None:
    """Law 1; and a canonical URL is a fixed point."""
    try:
        target = gate(url, ANY)
    except Refused:
        return
    assert gate(target.url, ANY) == target


@given(URLS)
def test_every_client_goes_where_gate_says(url: str) -> None:
    """httpx, httpx2, requests and yarl read the same host, port and path out of our canonical URL."""
    try:
        target = gate(url, ANY)
    except Refused:
        return
    for read in (httpx.URL(target.url), httpx2.URL(target.url)):
        assert (read.raw_host.decode(), read.port or target.port) == (target.host, target.port)
        assert read.raw_path.decode() == target.path_and_query
    prepared = requests.Request("GET", target.url).prepare()
    assert prepared.url == target.url
    by_yarl = yarl.URL(target.url)
    assert (by_yarl.raw_host, by_yarl.port) == (target.host, target.port)
