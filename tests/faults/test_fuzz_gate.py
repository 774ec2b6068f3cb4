"""A short run of the fuzz of `gate`; the long one is python -m tests.faults.fuzz_gate --seconds 300."""

from itertools import islice

import pytest

from pratique.core.refusal import Refused
from pratique.fetch import FetchPolicy, Target, gate
from tests.faults.fuzz_gate import GateFigures, look, run
from tests.faults.url_mill import urls
from tests.faults.url_readers import READERS, Sent, curl

URLS = 6000


def test_no_reader_goes_elsewhere() -> None:
    """Nothing but `Refused`, and one place for each URL that is let through; many are, of each kind."""
    found = run(20251009, count=URLS)
    assert found.told == []
    assert found.tried == URLS
    assert found.accepted.total() > URLS // 10
    assert min(found.accepted[kind] for kind in ("name", "IDN", "IPv4", "IPv6")) > 20
    assert min(found.refused[code] for code in ("bad_url", "bad_host", "host_not_allowed")) > 20


@pytest.mark.parametrize("name", READERS)
def test_every_reader_is_asked(name: str) -> None:
    """Each reads a plain URL as it stands, so that its silence means something."""
    if name == "curl" and curl() is None:
        pytest.skip("libcurl is absent: what curl would send isn't compared")
    read = READERS[name]
    assert read("https://a.example/x?y=%2F'") == Sent("https", "a.example", 443, "/x?y=%2F'")
    assert read("http://[2606:4700::1111]:8080/") == Sent("http", "2606:4700::1111", 8080, "/")
    with pytest.raises(AssertionError, match="user"):
        read("http://u:p@a.example/")


def test_a_gate_that_lets_too_much_through_is_found() -> None:
    """The rule bites: userinfo, a backslash, a short address, a crash. The twin is the gate itself."""

    def plain(url: str, _: FetchPolicy) -> Target:
        host = url.split("/")[2]
        path = url.removeprefix(f"http://{host}")
        return Target(url, "http", host, 80, host, path)

    def broken(url: str, policy: FetchPolicy) -> Target:
        raise ValueError(url)

    hostile = (
        "http://u@b.example/", "http://a.example\\@b.example/", "http://127.1/", "http://A.example/",
        "http://[::1%25lo]/", "http://a.example/../x", "http://a.example/ü", "http://[2606:0::1]/",
    )  # fmt: skip
    for url in hostile:
        found = GateFigures()
        look(url, found, plain)
        assert found.wrong, url
    found = GateFigures()
    look("http://a.example/", found, broken)
    assert "ValueError" in found.told[0]
    found = GateFigures()
    for url in ("http://a.example/", *hostile):
        look(url, found, gate)
    assert (found.wrong, found.accepted.total()) == (0, 5)


def test_one_seed_makes_one_run() -> None:
    """What was found can be found again."""
    assert list(islice(urls(7), 500)) == list(islice(urls(7), 500))
    assert list(islice(urls(7), 500)) != list(islice(urls(8), 500))


@pytest.mark.parametrize("url", ["http://a.example/" + "ü" * 8000, "http://a.example/\ud800"])
def test_what_the_fuzz_found_stays_refused(url: str) -> None:
    """A canonical URL that was itself too long; half a character that became a question mark."""
    with pytest.raises(Refused) as caught:
        gate(url, FetchPolicy(hosts={"a.example"}, schemes={"http"}))
    assert caught.value.code == "bad_url"
    assert gate("http://a.example/ü", FetchPolicy(hosts={"a.example"}, schemes={"http"})).port == 80
