"""An issuer's keys by its name alone: its metadata leads there, and to nobody else's."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from pratique.client import BearerToken
from pratique.core.refusal import BoundaryError, Refused
from pratique.keys import Discovered, Metadata
from tests.fetch.world import Seen, World, reply
from tests.keys.issuer import (
    AUDIENCE,
    ISSUER,
    Clock,
    Door,
    Issuer,
    fetching,
    landed,
)

WELL_KNOWN = "/.well-known/openid-configuration"
HONEST: dict[str, Any] = {
    "issuer": ISSUER,
    "jwks_uri": "https://keys.test/jwks",
    "id_token_signing_alg_values_supported": ["RS256", "EdDSA"],
}


class Case:
    """An issuer with metadata, and our door."""

    def __init__(self, world: World) -> None:
        self.issuer = Issuer(world.server, "a")
        self.issuer.answer = self._answer
        self.metadata = dict(HONEST)
        self.clock = Clock()
        fetch = fetching("issuer.test", "keys.test")
        self.keys = Discovered(ISSUER, fetch=fetch, algorithms=("EdDSA",), clock=self.clock)
        policy = self.keys.policy(audience=AUDIENCE, type="at+jwt")
        self.door = Door(BearerToken(policy), fetch)
        self.door.perimeter.start()

    def _answer(self, seen: Seen) -> bytes:
        if seen.target == WELL_KNOWN and seen.fields["host"] == "issuer.test":
            content = json.dumps(self.metadata).encode()
            return reply(200, content, Content_Type="application/json")
        if seen.target == "/jwks" and seen.fields["host"] == "keys.test":
            return self.issuer.publish(seen)
        return reply(404)


@pytest.fixture
def case(world: World) -> Iterator[Case]:
    """Give a case."""
    made = Case(world)
    yield made
    landed(made.keys)
    made.door.perimeter.close()


def test_metadata_leads_to_the_keys(case: Case) -> None:
    """Two questions, then tokens verify; a rotation is found as with a JWKS."""
    assert case.door.ask(case.issuer.token("a")) == "Ann"
    assert [seen.target for seen in case.issuer.server.seen] == [WELL_KNOWN, "/jwks"]
    case.issuer.rotate("b")
    assert case.door.ask(case.issuer.token("b")) == "Ann"


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://other.test"},
        {"issuer": ISSUER + "/"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": "http://keys.test/jwks"},
        {"jwks_uri": "http://127.0.0.1/jwks"},
        {"jwks_uri": "https://elsewhere.test/jwks"},
        {"jwks_uri": "https://169.254.169.254/jwks"},
        {"jwks_uri": "https://user@keys.test/jwks"},
        {"jwks_uri": ["https://keys.test/jwks"]},
        {"id_token_signing_alg_values_supported": ["RS256", "none"]},
        {"id_token_signing_alg_values_supported": []},
        {"id_token_signing_alg_values_supported": "EdDSA"},
    ],
)
def test_metadata_that_leads_elsewhere_is_refused(case: Case, changed: dict[str, Any]) -> None:
    """Another issuer's name, http, a host that the fetch policy doesn't name, none of our algorithms: no keys; honest metadata brings them."""
    token = case.issuer.token("a")
    case.metadata |= changed
    with pytest.raises(Refused) as refused:
        case.door.ask(token)
    assert refused.value.code == "keys_unavailable"
    assert "/jwks" not in [seen.target for seen in case.issuer.server.seen]
    case.metadata = dict(HONEST)
    case.clock.now += 10
    assert case.door.ask(token) == "Ann"


def test_an_issuer_of_https_has_its_keys_there_too(case: Case) -> None:
    """Its metadata can't lead to what speaks http on this machine, whatever the fetch policy lets through."""
    case.metadata["jwks_uri"] = "http://127.0.0.1/jwks"
    with pytest.raises(Refused, match="no jwks_uri of https"):
        case.door.ask(case.issuer.token("a"))


def test_metadata_need_not_list_algorithms(case: Case) -> None:
    """RFC 8414 has no such list for access tokens: the declared ones hold."""
    del case.metadata["id_token_signing_alg_values_supported"]
    assert case.door.ask(case.issuer.token("a")) == "Ann"


def test_keys_for_other_algorithms_are_left_out(world: World) -> None:
    """A key that serves none of the declared algorithms isn't there."""
    case = Case(world)
    fetch = fetching("issuer.test", "keys.test")
    keys = Discovered(ISSUER, fetch=fetch, algorithms=("RS256",))
    door = Door(BearerToken(keys.policy(audience=AUDIENCE, type="at+jwt")), fetch)
    door.perimeter.start()
    with pytest.raises(Refused) as refused:
        keys.refresh("a")
    assert "no key for the algorithms" in refused.value.detail
    door.perimeter.close()
    case.door.perimeter.close()


@pytest.mark.parametrize(
    ("issuer", "metadata", "expected"),
    [
        (
            "https://a.test",
            Metadata.OPENID,
            "https://a.test/.well-known/openid-configuration",
        ),
        (
            "https://a.test/realm/",
            Metadata.OPENID,
            "https://a.test/realm/.well-known/openid-configuration",
        ),
        (
            "https://a.test/realm",
            Metadata.OAUTH,
            "https://a.test/.well-known/oauth-authorization-server/realm",
        ),
        (
            "https://a.test",
            Metadata.OAUTH,
            "https://a.test/.well-known/oauth-authorization-server",
        ),
    ],
)
def test_the_place_of_metadata_is_the_standards(
    issuer: str, metadata: Metadata, expected: str
) -> None:
    """OpenID Connect Discovery §4 and RFC 8414 §3.1."""
    found = Discovered(issuer, fetch=fetching(), algorithms=("RS256",), metadata=metadata)
    assert found.url == expected


@pytest.mark.parametrize("algorithms", [(), "RS256", ("none",), ("HS256",), ("RS256", "HS512")])
def test_algorithms_are_those_of_public_keys(algorithms: Any) -> None:
    """An HMAC secret that is published isn't one; the twin names a signature."""
    with pytest.raises(BoundaryError):
        Discovered(ISSUER, fetch=fetching(), algorithms=algorithms)
    Discovered(ISSUER, fetch=fetching(), algorithms=("ES256",))
