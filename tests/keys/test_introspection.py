"""A token that only its issuer can read: a whole yes is believed, and nothing else."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from pratique import Secret, stores
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.keys import OpaqueToken
from tests.fetch.world import Seen, World, reply
from tests.keys.issuer import AUDIENCE, ISSUER, NOW, Door, fetching

URL = "https://issuer.test/introspect"
AT = int(NOW.timestamp())
SECRET = "s3cr3t/of:the client+1"
TOKEN = "opaque-token-0123456789abcdef"
YES: dict[str, Any] = {
    "active": True,
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "ann",
    "exp": AT + 600,
    "token_type": "Bearer",
}


def told(**members: Any) -> bytes:
    """Return an issuer's answer that differs in these members from a yes; None takes one away."""
    whole = {name: value for name, value in {**YES, **members}.items() if value is not None}
    return reply(200, json.dumps(whole).encode(), Content_Type="application/json")


def identity(fetch: Any, **more: Any) -> OpaqueToken:
    """Return what is under test."""
    facts = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "client_id": "shop api",
        "secret": Secret(SECRET),
        **more,
    }
    return OpaqueToken(URL, fetch=fetch, **facts)


@pytest.fixture
def new_door(world: World) -> Iterator[Callable[..., Door]]:
    """Give a maker of started doors."""
    made: list[Door] = []

    def new(**more: Any) -> Door:
        fetch = fetching()
        door = Door(identity(fetch, **more), fetch)
        door.perimeter.start()
        made.append(door)
        return door

    world.server.answer = lambda seen: told()
    yield new
    for door in made:
        door.perimeter.close()


def refusal(door: Door, token: str = TOKEN) -> Refused:
    """Return why a token is refused."""
    with pytest.raises(Refused) as refused:
        door.ask(token)
    return refused.value


def test_the_issuer_is_asked_with_our_own_credential(world: World, new_door: Any) -> None:
    """The token goes in the content, never in a URL; the credential as RFC 6749 §2.3.1 encodes it."""
    assert new_door().ask(TOKEN) == "Ann"
    (seen,) = world.server.seen
    assert (seen.method, seen.target) == ("POST", "/introspect")
    assert parse_qs(seen.content.decode()) == {
        "token": [TOKEN],
        "token_type_hint": ["access_token"],
    }
    scheme, _, pair = seen.fields["authorization"].partition(" ")
    assert scheme == "Basic"
    assert base64.b64decode(pair) == b"shop+api:s3cr3t%2Fof%3Athe+client%2B1"


async def test_the_event_loop_asks_too(world: World, new_door: Any) -> None:
    """The same on asyncio; a no is a no there."""
    door = new_door()
    assert await door.aask(TOKEN) == "Ann"
    world.server.answer = lambda seen: told(active=False)
    with pytest.raises(Refused) as refused:
        await door.aask(TOKEN)
    assert refused.value.code == "inactive_token"
    world.server.answer = lambda seen: reply(500)
    with pytest.raises(Refused) as refused:
        await door.aask(TOKEN)
    assert refused.value.code == "introspection_unavailable"
    await door.perimeter.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        reply(500),
        reply(503, json.dumps(YES).encode(), Content_Type="application/json"),
        reply(202, json.dumps(YES).encode(), Content_Type="application/json"),
        reply(401, b'{"error": "invalid_client"}', Content_Type="application/json"),
        reply(204, b"", Content_Type=""),
        reply(200, b"", Content_Type="application/json"),
        reply(200, b"garbage", Content_Type="application/json"),
        reply(200, b"true", Content_Type="application/json"),
        reply(200, b'{"active": true', Content_Type="application/json"),
        reply(200, b'{"active": false, "active": true}', Content_Type="application/json"),
        reply(200, json.dumps(YES).encode(), Content_Type="text/html"),
        reply(
            200, json.dumps(YES | {"x": "y" * 300_000}).encode(), Content_Type="application/json"
        ),
        reply(302, b"", Location="https://evil.test/introspect"),
        b"no HTTP at all\r\n\r\n",
        told(active="true"),
        told(active=1),
        told(active=[]),
        told(active=None),
    ],
)
def test_an_issuer_that_says_nothing_clear_is_no_yes(
    world: World, new_door: Any, answer: bytes
) -> None:
    """SV-21: down, 500, garbage, a yes that is no boolean: refused with "retry", and believed the moment it is clear (CWE-636)."""
    door = new_door()
    world.server.answer = lambda seen: answer
    found = refusal(door)
    assert (found.obligation, found.code, found.answer, found.status) == (
        AUTHENTIC,
        "introspection_unavailable",
        Answer.RETRY,
        503,
    )
    assert TOKEN not in str(found)
    assert SECRET not in str(found)
    world.server.answer = lambda seen: told()
    assert door.ask(TOKEN) == "Ann"


def test_an_issuer_that_is_gone_is_no_yes(world: World, new_door: Any) -> None:
    """SV-21: nobody listens there any more."""
    door = new_door()
    world.dead.update(world.names["issuer.test"])
    assert refusal(door).code == "introspection_unavailable"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"active": False}, "inactive_token"),
        ({"iss": "https://other.test"}, "wrong_issuer"),
        ({"iss": None}, "wrong_issuer"),
        ({"aud": "https://other.test"}, "wrong_audience"),
        ({"aud": None}, "wrong_audience"),
        ({"aud": []}, "wrong_audience"),
        ({"aud": [AUDIENCE, 1]}, "wrong_audience"),
        ({"aud": {AUDIENCE: 1}}, "wrong_audience"),
        ({"token_type": None}, "wrong_type"),
        ({"token_type": "Refresh"}, "wrong_type"),
        ({"token_type": "DPoP"}, "wrong_type"),
        ({"cnf": {"jkt": "x"}}, "bound_token"),
        ({"sub": None}, "bad_claim"),
        ({"sub": ""}, "bad_claim"),
        ({"sub": 1}, "bad_claim"),
        ({"sub": "ann\0bob"}, "bad_claim"),
        ({"exp": None}, "bad_date"),
        ({"exp": True}, "bad_date"),
        ({"exp": str(AT + 600)}, "bad_date"),
        ({"exp": 1e300}, "bad_date"),
        ({"exp": AT}, "expired_token"),
        ({"nbf": AT + 1}, "not_yet_valid"),
        ({"sub": "mallory"}, "unknown_user"),
    ],
)
def test_a_yes_about_something_else_is_none(
    world: World, new_door: Any, members: dict[str, Any], code: str
) -> None:
    """SV-21: another issuer's, another service's, a refresh token, a bound one, somebody who isn't ours: refused; the whole yes passes."""
    door = new_door()
    world.server.answer = lambda seen: told(**members)
    found = refusal(door)
    assert found.code == code
    if code != "unknown_user":
        assert found.status == 401
        assert found.problem() == {
            "type": "urn:pratique:refusal:authentic",
            "title": "Not authentic",
            "status": 401,
        }
    world.server.answer = lambda seen: told(aud=["https://x.test", AUDIENCE], token_type="bearer")
    assert door.ask(TOKEN) == "Ann"


def test_the_subject_is_the_issuers_word_alone(world: World, new_door: Any) -> None:
    """SV-21: what the request says of its subject is never read."""
    door = new_door()
    world.server.answer = lambda seen: told(sub="bob")
    assert door.ask(TOKEN, X_User="ann") == "Bob"


def test_an_answer_may_be_remembered_for_its_own_token(world: World, new_door: Any) -> None:
    """By the digest of the token: another token is asked about, and has its own subject."""
    door = new_door(max_age=timedelta(seconds=30))

    def answer(seen: Seen) -> bytes:
        is_first = parse_qs(seen.content.decode())["token"] == [TOKEN]
        return told(sub="ann" if is_first else "bob")

    world.server.answer = answer
    assert [door.ask(TOKEN), door.ask(TOKEN), door.ask(TOKEN[:-1])] == ["Ann", "Ann", "Bob"]
    assert len(world.server.seen) == 2


def test_by_default_each_request_asks(world: World, new_door: Any) -> None:
    """What was taken back is refused at once."""
    door = new_door()
    door.ask(TOKEN)
    assert not door.client.identity._kept._entries
    world.server.answer = lambda seen: told(active=False)
    assert refusal(door).code == "inactive_token"


def test_nothing_is_remembered_too_long(world: World, new_door: Any) -> None:
    """Not past its age, not past exp, and not more than were allowed for; a no is never kept."""
    door = new_door(max_age=timedelta(seconds=30), max_tokens=2)
    kept = door.client.identity._kept
    assert kept.find(b"x", NOW) is None
    kept.keep(b"x", YES, NOW)
    assert kept.find(b"x", NOW + timedelta(seconds=29)) == YES
    assert kept.find(b"x", NOW + timedelta(seconds=30)) is None
    assert kept.find(b"x", NOW - timedelta(seconds=1)) is None
    for name in (b"y", b"z"):
        kept.keep(name, YES, NOW)
    assert [kept.find(name, NOW) for name in (b"x", b"y", b"z")] == [None, None, YES]
    world.server.answer = lambda seen: told(active=False)
    refusal(door)
    world.server.answer = lambda seen: told()
    assert door.ask(TOKEN) == "Ann"


def test_a_remembered_answer_ends_with_its_token(world: World, new_door: Any) -> None:
    """Exp is looked at each time."""
    door = new_door(max_age=timedelta(minutes=5))
    world.server.answer = lambda seen: told(exp=AT + 0.5)
    assert door.ask(TOKEN) == "Ann"
    door.perimeter.clock = lambda: NOW + timedelta(seconds=1)
    found = refusal(door)
    assert (found.obligation, found.code) == (FRESH, "expired_token")
    assert len(world.server.seen) == 1


def test_no_token_asks_nobody(world: World, new_door: Any) -> None:
    """A request without one, or with one that is too long, costs the issuer nothing."""
    door = new_door()
    assert refusal(door, "").code == "no_token"
    assert refusal(door, "t" * 20_000).code == "token_too_large"
    assert world.server.seen == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": ""},
        {"audience": ""},
        {"audience": ()},
        {"client_id": " "},
        {"max_age": timedelta(hours=1)},
        {"max_age": timedelta(-1)},
        {"max_tokens": 0},
    ],
)
def test_a_declaration_is_whole(wrong: dict[str, Any]) -> None:
    """Empty is not "unset"."""
    with pytest.raises(BoundaryError):
        identity(fetching(), **wrong)
    identity(fetching())


def test_the_start_reads_the_secret(world: World) -> None:
    """A secret that is unset is a debt of the start; before it nothing is asked."""
    fetch = fetching()
    with pytest.raises(BoundaryError, match="UNSET_SECRET"):
        Door(identity(fetch, secret=Secret.env("UNSET_SECRET")), fetch).perimeter.start()
    assert world.server.seen == []


def test_an_opaque_token_is_taken_back_with_us(world: World) -> None:
    """Also while the issuer's yes is remembered; an answer without `jti` or `iat` can't be taken back. Another subject's is admitted."""
    store, fetch = stores.memory(), fetching()
    taken = stores.revocations(store, lifetime=timedelta(hours=1))
    asked = identity(fetch, revoked=taken, max_age=timedelta(minutes=1))
    door = Door(asked, fetch, store=store)
    with door.perimeter:
        world.server.answer = lambda seen: told(jti="t-1", iat=AT)
        assert door.ask(TOKEN) == "Ann"
        taken.revoke_before(ISSUER, "ann", at=NOW)
        assert refusal(door).code == "revoked"
        assert len(world.server.seen) == 1
        world.server.answer = lambda seen: told(jti="t-2", iat=AT, sub="bob")
        assert door.ask("another-opaque-token-0123456789") == "Bob"
        for lacking in ({"iat": AT}, {"jti": "t-3"}):
            world.server.answer = lambda seen, members=lacking: told(sub="bob", **members)
            text = f"opaque-{next(iter(lacking))}-0123456789abcdef"
            assert refusal(door, text).code == "not_revocable"
