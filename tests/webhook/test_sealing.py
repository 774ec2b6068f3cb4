"""What is signed for a customer: under which key, with which secrets, and what no text holds."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Claim, Fields
from pratique.core.refusal import Answer, BoundaryError
from pratique.core.secret import LiveSecret
from pratique.webhook import Outgoing, providers
from tests.fetch.world import World, reply
from tests.webhook.customers import (
    CONTENT,
    ERP,
    NEW,
    OLD,
    POLICY,
    PRIVATE,
    URL,
    Way,
    by_send,
    every_way,
    receiver,
    refusal,
    started,
)


@every_way
def test_the_sdk_of_a_receiver_verifies_what_is_sent(world: World, way: Way) -> None:
    """The real SDK takes it; with another customer's secret it answers 401, and that is refused."""
    world.server.answer = receiver()
    assert way(POLICY, URL).status == 204
    (seen,) = world.server.seen
    assert (seen.method, seen.content, seen.is_tls) == ("POST", CONTENT, True)
    assert seen.fields["content-type"] == "application/json"
    refused = refusal(way, secrets=OLD)
    assert (refused.code, refused.answer) == ("endpoint_refuses", Answer.REJECT)


@every_way
def test_a_rolled_secret_signs_beside_the_new_one(world: World, way: Way) -> None:
    """Who has the old one and who has the new one both verify; past its not-after the old is out."""
    for secret in (OLD, NEW):
        world.server.answer = receiver(secret)
        assert way(POLICY, URL, secrets=[NEW, OLD]).status == 204
    world.server.answer = receiver(OLD)
    end = datetime.now(UTC)
    over = [NEW, LiveSecret("old", OLD, end)]
    assert refusal(way, secrets=over).code == "endpoint_refuses"
    live = [NEW, LiveSecret("old", OLD, end + timedelta(hours=1))]
    assert way(POLICY, URL, secrets=live).status == 204
    assert refusal(way, secrets=over[1:]).code == "expired_secret"


def test_an_asymmetric_secret_signs(world: World) -> None:
    """A whsk_ key seals what its whpk_ key opens; the public key alone signs nothing."""
    by_send(POLICY, URL, secrets=PRIVATE)
    (seen,) = world.server.seen
    claim = Claim(seen.content, Fields(list(seen.fields.items())), datetime.now(UTC))
    assert providers.standard_webhooks.open(claim, secrets=PRIVATE).envelope is not None
    assert refusal(by_send, secrets=PRIVATE.replace("whsk", "whpk")).code == "bad_secret"


def test_each_attempt_has_the_same_key_and_a_new_time(world: World) -> None:
    """A receiver that is idempotent sees one event; one that looks at the time, a fresh one."""
    ticks = iter(datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in range(4))
    with started(POLICY) as (fetch, scheme, _):
        outgoing = Outgoing(scheme, through=fetch, clock=lambda: next(ticks))
        for _ in range(2):
            outgoing.send(URL, CONTENT, key="msg_1", secrets=NEW)
    first, second = world.server.seen
    assert first.fields["webhook-id"] == second.fields["webhook-id"] == "msg_1"
    first_at, second_at = (int(seen.fields["webhook-timestamp"]) for seen in (first, second))
    assert second_at - first_at == 7200


@every_way
def test_a_scheme_of_ones_own_is_sent_too(world: World, way: Way) -> None:
    """`generic` signs; our own boundary would open it."""
    secret = "a shared text of 24 signs"
    way(POLICY, URL, scheme=ERP, secrets=secret)
    (seen,) = world.server.seen
    claim = Claim(seen.content, Fields(list(seen.fields.items())), datetime.now(UTC))
    assert ERP.open(claim, secrets=secret).sent is not None
    with pytest.raises(BoundaryError, match="at most 1"):
        way(POLICY, URL, scheme=ERP, secrets=[secret, "another text of 24 signs"])


@every_way
@pytest.mark.parametrize("key", ["", "a.1", "a b", "a\r\nX-Y: z", "ä", "a" * 256, "../x"])
def test_a_key_that_a_receiver_reads_otherwise_is_refused(world: World, way: Way, key: str) -> None:
    """A "." would move the border of what is signed. Nothing is sent; with a plain key it is."""
    assert refusal(way, key=key).code == "bad_event_key"
    assert world.touched == []
    assert way(POLICY, URL, key="evt-1_A").status == 200


def test_where_the_id_stands_in_the_content_the_key_is_that_one(world: World) -> None:
    """Two ids for one event would let a receiver take it twice."""
    secret, content = "whsec_8sPq2Lx0Vt7RkYw3Zb5N", b'{"id": "evt_1", "type": "a"}'
    named: Any = {"scheme": providers.stripe, "secrets": secret}
    assert refusal(by_send, URL, content, key="evt_2", **named).code == "bad_event_key"
    assert by_send(POLICY, URL, content, key="evt_1", **named).status == 200
    assert len(world.server.seen) == 1


@pytest.mark.parametrize("name", ["github", "slack"])
def test_a_scheme_that_lets_deliveries_be_replayed_isnt_sent_with(name: str) -> None:
    """GitHub's signs neither time nor id. The twin: Slack's signs a time, and has an id."""
    with started(POLICY) as (fetch, _, _):
        if name == "slack":
            assert Outgoing(providers.slack, through=fetch).scheme.name == "slack"
            return
        with pytest.raises(BoundaryError, match="replay"):
            Outgoing(providers.github, through=fetch)
        with pytest.raises(BoundaryError, match="signs a URL"):
            Outgoing(providers.hubspot, through=fetch)


@every_way
@pytest.mark.parametrize("content", ['{"type": "a"}', {"type": "a"}, bytearray(b"{}")])
def test_content_that_isnt_bytes_is_a_mistake_of_ours(world: World, way: Way, content: Any) -> None:
    """It says so, where hashing said "object supporting the buffer API required"; bytes are sent."""
    with pytest.raises(BoundaryError, match="is bytes"):
        way(POLICY, URL, content)
    assert world.touched == []
    assert way(POLICY, URL, CONTENT).status == 200


@every_way
@pytest.mark.parametrize(
    ("secrets", "code"),
    [
        ([], "no_secret"),
        ("", "bad_secret"),
        ("whsec_", "bad_secret"),
        ("whsec_c2hvcnQ=", "bad_secret"),
        ("whsec_" + "A" * 32, "bad_secret"),
        ("not base64 at all, and long", "bad_secret"),
    ],
)
def test_a_weak_secret_signs_nothing(world: World, way: Way, secrets: Any, code: str) -> None:
    """Anybody could sign for us at that customer (CWE-1188). Nothing is sent."""
    assert refusal(way, secrets=secrets).code == code
    assert world.touched == []
    assert way(POLICY, URL, secrets=NEW).status == 200


@every_way
def test_no_text_holds_a_secret(world: World, way: Way, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a refusal, a representation, nor what is logged; nor what another origin is sent."""
    caplog.set_level("DEBUG")
    texts: list[str] = []
    for status in (410, 429, 500, 404, 307):
        world.server.answer = lambda _, s=status: reply(s, NEW.encode(), Location="https://b.test/")
        refused = refusal(way, secrets=[NEW, OLD])
        texts += [str(refused), repr(refused), json.dumps(refused.problem()), refused.hint]
    texts += [str(refusal(way, secrets=f"{NEW} ")), str(refusal(way, key=NEW))]
    with started(POLICY) as (fetch, scheme, _):
        texts.append(repr(Outgoing(scheme, through=fetch)))
    texts.append(caplog.text)
    for secret in (NEW, OLD):
        assert not any(secret.removeprefix("whsec_") in text for text in texts)
