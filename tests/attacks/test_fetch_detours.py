"""FT-05 to FT-22, the detours: a URL that was gated leads elsewhere. Each refusal has its twin."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import aiohttp
import pytest

from pratique.core.refusal import Refused
from pratique.fetch import Fetcher
from tests.fetch.clients import GOOD, OTHER, POLICY, SHORT, Get, every_client, refused
from tests.fetch.world import World, reply


@every_client
def test_a_redirect_never_leads_out_of_the_policy(world: World, get: Get) -> None:
    """FT-05: a hop to a forbidden address, from https to http, or one too many is refused; two are followed."""
    world.names.update({"a.test": [GOOD], "in.test": ["10.0.0.7"]})
    leads = [""]
    world.server.answer = lambda seen: (
        reply(302, b"", Location=leads[0]) if seen.target.startswith("/go") else reply()
    )
    for leads[0], code in (
        ("http://127.0.0.1/", "address_not_allowed"),
        ("http://in.test/", "address_not_allowed"),
        ("http://a.test:22/", "port_not_allowed"),
        ("/go", "too_many_redirects"),
    ):
        assert refused(get, POLICY, "http://a.test/go") == code
    leads[0] = "ftp://a.test/"
    with pytest.raises((Refused, aiohttp.NonHttpUrlRedirectClientError)):
        get(POLICY, ["http://a.test/go"])
    leads[0] = "http://a.test/"
    assert refused(get, POLICY, "https://a.test/go") == "downgrade"
    leads[0] = "/there"
    assert get(POLICY, ["http://a.test/go"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_kept_connection_survives_a_rebind_and_a_new_one_is_judged(
    world: World, get: Get
) -> None:
    """FT-06: the name leads elsewhere by now; the checked connection is used again, no other is made."""
    world.names["a.test"] = {"sequence": [[GOOD], ["127.0.0.1"]]}
    assert get(POLICY, ["http://a.test/", "http://a.test/"]) == [(200, b"OK-FINAL")] * 2
    assert world.touched == [f"{GOOD}:80"]
    assert refused(get, POLICY, "http://a.test/") == "address_not_allowed"
    assert world.touched == [f"{GOOD}:80"]


@every_client
def test_one_bad_answer_beside_a_good_one_is_refused(world: World, get: Get) -> None:
    """FT-07: whoever wrote that zone decides which one is taken next time (CWE-367)."""
    world.names["a.test"] = [GOOD, "10.0.0.7"]
    assert refused(get, POLICY, "http://a.test/") == "address_not_allowed"
    assert world.touched == []
    world.names["a.test"] = [GOOD, OTHER]
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_ignored(
    world: World, get: Get, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FT-18: it would look the name up again, and connect where it likes."""
    world.names["a.test"] = [GOOD]
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]
    assert world.touched == [f"{GOOD}:80"]


def test_names_that_hang_are_their_own_principals(world: World) -> None:
    """FT-22: eight names of one user hang; the ninth is refused at once, another user is served."""
    end = Event()
    world.names.update({f"h{n}.test": lambda: end.wait(5) and None for n in range(9)})
    world.names["a.test"] = [GOOD]
    try:
        with Fetcher(SHORT) as fetcher:
            with ThreadPoolExecutor(9) as pool:
                codes = list(pool.map(lambda n: _code(fetcher, f"http://h{n}.test/"), range(9)))
            assert sorted(codes) == ["lookup_quota"] + ["lookup_timeout"] * 8
            assert fetcher.get("http://a.test/", principal="other").value.status == 200
    finally:
        end.set()


def _code(fetcher: Fetcher, url: str) -> str:
    with pytest.raises(Refused) as caught:
        fetcher.get(url, principal="user-7")
    return caught.value.code
