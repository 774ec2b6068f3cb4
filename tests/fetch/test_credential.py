"""A credential goes to its own origin over TLS, by every client, and nowhere else."""

from typing import Any

import pytest

from pratique import Perimeter, Secret
from pratique.core.refusal import BoundaryError
from pratique.fetch import PUBLIC, Credential, Fetch, FetchPolicy
from tests.fetch.clients import CLIENTS
from tests.fetch.world import World, reply

KEY = "sk_live_9f8a7b6c5d4e3f2a"
every_client = pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS.keys())


def policy(**more: Any) -> FetchPolicy:
    """Return a policy that proves us to api.test alone."""
    return FetchPolicy(
        hosts=PUBLIC,
        schemes={"https", "http"},
        redirects=3,
        credentials={"api.test": Credential(Secret(KEY), **more)},
    )


@every_client
def test_it_is_sent_to_its_origin_alone(world: World, get: Any) -> None:
    """FT-13: api.test over TLS sees it; another host, http, and what a redirect leads to don't."""
    world.names.update({"api.test": ["93.184.215.14"], "other.test": ["151.101.1.69"]})
    assert get(policy(), ["https://api.test/"]) == [(200, b"OK-FINAL")]
    assert world.server.seen[-1].fields["authorization"] == f"Bearer {KEY}"
    get(policy(), ["https://other.test/", "http://api.test/"])
    world.server.answer = lambda seen: (
        reply(302, b"", Location="https://other.test/")
        if seen.fields["host"] == "api.test"
        else reply()
    )
    get(policy(), ["https://api.test/"])
    told = [KEY in str(seen.fields) for seen in world.server.seen[1:]]
    assert told == [False, False, True, False]


@every_client
def test_the_callers_own_gives_way(world: World, get: Any) -> None:
    """A caller that brings its own line of that name doesn't put ours in doubt; another line stays."""
    world.names["api.test"] = ["93.184.215.14"]
    sent = {"Authorization": "Bearer theirs", "X-Trace": "1"}
    get(policy(), ["https://api.test/"], headers=sent)
    assert world.server.seen[0].fields["authorization"] == f"Bearer {KEY}"
    assert world.server.seen[0].fields["x-trace"] == "1"


@every_client
def test_a_key_has_a_field_of_its_own(world: World, get: Any) -> None:
    """X-Api-Key, without a scheme before it."""
    world.names["api.test"] = ["93.184.215.14"]
    get(policy(field="X-Api-Key", scheme=""), ["https://api.test/"])
    assert world.server.seen[0].fields["x-api-key"] == KEY


@pytest.mark.parametrize(
    ("authority", "made"),
    [
        ("", {}),
        ("https://api.test", {}),
        ("api.test:port", {}),
        ("*.api.test", {}),
        ("api.test", {"field": "Host"}),
        ("api.test", {"field": "X Y"}),
        ("api.test", {"field": ""}),
    ],
)
def test_a_credential_for_nobody_is_refused(authority: str, made: dict[str, str]) -> None:
    """No host, more than a host, a field that belongs to a hop: said where it is written."""
    with pytest.raises(BoundaryError):
        FetchPolicy(hosts=PUBLIC, credentials={authority: Credential(Secret(KEY), **made)})
    for good in ("api.test", "api.test:8443", "[2606:4700::1111]:443"):
        assert FetchPolicy(hosts=PUBLIC, credentials={good: Credential(Secret(KEY))})


def test_it_is_read_at_the_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset it is a debt of the boundary; set, it starts. No text of ours holds it."""
    made = FetchPolicy(
        hosts=PUBLIC, credentials={"api.test": Credential(Secret.env("API_TEST_KEY"))}
    )
    perimeter = Perimeter()
    fetch = perimeter.declare(Fetch("api", made))
    assert len(perimeter.debts()) == 1
    monkeypatch.setenv("API_TEST_KEY", KEY)
    assert perimeter.debts() == []
    assert fetch.declarations()[0].facts["credentials"] == "api.test:443"
    assert KEY not in repr(made) + str(fetch.declarations())
    world.names["api.test"] = ["93.184.215.14"]
    with perimeter:
        assert fetch.get("https://api.test/").value.content == b"OK-FINAL"
    monkeypatch.setenv("API_TEST_KEY", "line\r\nbreak: 1234567890abcdef")
    other = FetchPolicy(
        hosts=PUBLIC, credentials={"api.test": Credential(Secret.env("API_TEST_KEY"))}
    )
    assert "header field" in other.credentials_of.read()[0]
