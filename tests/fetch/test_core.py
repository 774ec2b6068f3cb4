"""A fetch stands on httpcore or on httpcore2, whichever is there, and says so where neither is."""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from pratique.fetch import PUBLIC, FetchPolicy
from pratique.integrations import httpx2 as door
from tests.architecture.source import ROOT
from tests.fetch import clients

OURS = ("fetcher", "async fetcher", "requests", "aiohttp")
HTTPCORE, HTTPCORE2 = ("httpcore", "httpx"), ("httpcore2", "httpx2")


@cache
def without(*absent: str) -> dict[str, Any]:
    """Return what each way got in a process of its own in which these can't be imported."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.fetch.one_core", *absent],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("absent", "core", "doors"),
    [
        (HTTPCORE, "httpcore2", ["httpx2"]),
        (HTTPCORE2, "httpcore", ["httpx"]),
        ((), "httpcore", ["httpx", "httpx2"]),
        (("alias",), "httpcore2", ["httpx", "httpx2"]),
    ],
    ids=["httpcore2 alone", "httpcore alone", "both", "httpx2 stands for httpx"],
)
def test_fetches_on_the_core_that_is_there(
    absent: tuple[str, ...], core: str, doors: list[str]
) -> None:
    """Fetchers, a partner and every adapter: the good host arrives, another one is refused."""
    found = without(*absent)
    assert found["core"] == core
    for way in (*OURS, *doors):
        assert found[way] == ["OK-FINAL", "host_not_allowed"], way
    assert found["partner"] == "OK-FINAL"
    assert set(map(tuple, found["start"].values())) == {()}


@pytest.mark.parametrize("absent", [HTTPCORE, HTTPCORE2], ids=["httpcore2", "httpcore"])
def test_ca_of_ones_own_is_named_by_the_environment(absent: tuple[str, ...]) -> None:
    """SSL_CERT_FILE holds on either core; without it the same host isn't proven (CWE-295)."""
    found = without(*absent)
    assert (found["fetcher"][0], found["without the CA"]) == ("OK-FINAL", "bad_certificate")


def test_says_what_to_install_where_neither_is() -> None:
    """A mistake of the user, with its mend; the connector of aiohttp needs neither."""
    found = without(*HTTPCORE, *HTTPCORE2)
    for got in (found["fetcher"][0], found["async fetcher"][0], found["partner"]):
        assert got.startswith("BoundaryError: ")
        assert "pratique[fetch]" in got
        assert "pratique[fetch2]" in got
    assert found["aiohttp"] == ["OK-FINAL", "host_not_allowed"]


def test_a_perimeter_says_it_at_its_start() -> None:
    """Not at the first fetch, as 500. An observed policy is an adapter's: aiohttp's needs neither."""
    start = without(*HTTPCORE, *HTTPCORE2)["start"]
    for name, boundary in (("fetch", "previews"), ("partner", "risk")):
        (debt,) = start[name]
        assert debt.startswith(f'Boundary "{boundary}": A fetch needs the library httpcore')
    assert start["observed"] == []


def test_the_ways_of_httpx2_stand_on_httpcore2() -> None:
    """What `clients.CLIENTS` shows of httpx2 is shown of httpcore2; the first copy stays on httpcore."""
    policy = FetchPolicy(hosts=PUBLIC)
    for made, core in ((clients.on_httpx2, "httpcore2"), (door, "httpcore")):
        for kind in (made.FetchTransport, made.AsyncFetchTransport):
            backend = kind(policy)._through._pool._backend
            assert type(backend).__base__.__module__ == core
