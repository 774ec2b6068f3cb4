"""Events to URLs of customers, on real sockets: gated when sent, whoever registered them."""

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event as Signal

import pytest
import standardwebhooks

from pratique import Claim, Refused
from pratique.fetch import PUBLIC, FetchPolicy, Response, gate
from pratique.webhook import Next, Outgoing, next_step, providers
from tests.fetch.world import Seen, World, reply
from tests.webhook.customers import (
    CONTENT,
    GOOD,
    NEW,
    OLD,
    POLICY,
    URL,
    Way,
    every_way,
    receiver,
    refusal,
    started,
)


@every_way
def test_a_url_that_was_fine_when_it_was_stored_is_gated_when_it_is_used(
    world: World, way: Way
) -> None:
    """FT-16: its name leads to loopback by now; nothing is connected to. A good name is served."""
    stored = gate("https://A.test/hook", POLICY).url
    assert way(POLICY, stored).status == 200
    del world.touched[:], world.server.seen[:]
    for inside in ("127.0.0.1", "10.0.0.7", "169.254.169.254", "::1"):
        world.names["a.test"] = [inside]
        refused = refusal(way, stored)
        assert refused.code in ("address_not_allowed", "metadata_endpoint")
        assert next_step(refused) is Next.STOP
    assert (world.touched, world.server.seen) == ([], [])
    world.names["a.test"] = [GOOD]
    assert way(POLICY, stored).status == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::ffff:10.0.0.7]/",
        "https://metadata.google.internal/",
        "https://a.test:8443/",
        "https://a.test@b.test/",
        "http://a.test/hook",
        "gopher://a.test/",
    ],
)
@every_way
def test_a_url_inside_a_signed_claim_is_still_a_claim(world: World, way: Way, url: str) -> None:
    """FT-17: who signed the registration doesn't say where we may go. The twin is sent to."""
    at = datetime.now(UTC)
    for named, is_sent in ((url, False), (URL, True)):
        content = json.dumps({"type": "endpoint.created", "callback": named}).encode()
        fields = providers.standard_webhooks.seal(content, secret=OLD, at=at, key="msg_0")
        providers.standard_webhooks.open(Claim(content, fields, at), secrets=OLD)
        callback = json.loads(content)["callback"]
        if is_sent:
            assert way(POLICY, callback).status == 200
        else:
            assert next_step(refusal(way, callback)) is Next.STOP
            assert (world.touched, world.server.seen) == ([], [])


@every_way
def test_a_redirect_takes_neither_the_event_nor_its_signature_elsewhere(
    world: World, way: Way
) -> None:
    """FT-21: 307 to another origin is refused before a second request; and no redirect is a receipt."""
    redirecting = FetchPolicy(hosts=PUBLIC, content_types={"*/*"}, redirects=1)
    leads = "https://b.test/hook"
    world.server.answer = lambda seen: (
        reply(307, b"", Location=leads) if seen.target == "/hook" else receiver()(seen)
    )
    for policy in (redirecting, POLICY):
        refused = refusal(way, policy=policy)
        assert (refused.code, next_step(refused)) == ("body_across_origins", Next.AGAIN)
    leads = "https://10.0.0.7/"
    assert refusal(way, policy=redirecting).code == "address_not_allowed"
    leads = "/there"
    assert refusal(way).code == "too_many_redirects"
    assert {seen.fields["host"] for seen in world.server.seen} == {"a.test"}
    assert all(touched.startswith(GOOD) for touched in world.touched)
    assert way(POLICY, "https://b.test/there").status == 204


def test_a_customer_whose_dns_hangs_stops_nobody_else(world: World) -> None:
    """FT-22: A's nine lookups hang, the ninth is refused at once; B's event arrives meanwhile."""
    end = Signal()
    world.names.update({f"h{n}.test": lambda: end.wait(20) and None for n in range(9)})
    world.server.answer = receiver()
    short = FetchPolicy(hosts=PUBLIC, content_types={"*/*"}, deadline=timedelta(seconds=1))
    with started(short) as (fetch, scheme, _), ThreadPoolExecutor(9) as pool:
        outgoing = Outgoing(scheme, through=fetch)

        def hung(number: int) -> Refused:
            with pytest.raises(Refused) as caught:
                outgoing.send(
                    f"https://h{number}.test/", CONTENT, key="m", secrets=NEW, principal="A"
                )
            return caught.value

        try:
            refused = list(pool.map(hung, range(9)))
            codes = sorted(each.code for each in refused)
            assert codes == ["lookup_quota"] + ["lookup_timeout"] * 8
            assert {next_step(each) for each in refused} == {Next.AGAIN}
            # A's lookups still hang: the deadline ended our waiting, not the resolver's.
            answer = outgoing.send(URL, CONTENT, key="m", secrets=NEW, principal="B")
            assert answer.value.status == 204
        finally:
            end.set()


def challenged(way: str) -> Response:
    """Challenge the customer's endpoint."""
    with started(POLICY) as (fetch, scheme, _):
        outgoing = Outgoing(scheme, through=fetch)
        if way == "challenge":
            return outgoing.challenge(URL, secrets=NEW, principal="A").value

        async def work() -> Response:
            try:
                return (await outgoing.achallenge(URL, secrets=NEW, principal="A")).value
            finally:
                await fetch.aclose()

        return asyncio.run(work())


@pytest.mark.parametrize("way", ["challenge", "achallenge"])
@pytest.mark.parametrize("kind", ["silent", "echo", "stale token"])
def test_an_endpoint_that_gives_no_token_back_isnt_the_customers(
    world: World, way: str, kind: str
) -> None:
    """2xx alone, an echo of everything, or another token prove nothing. The token does."""
    answers: dict[str, Callable[[Seen], bytes]] = {
        "silent": lambda _: reply(200, b""),
        "echo": lambda seen: reply(200, seen.content),
        "stale token": lambda _: reply(200, b"x" * 43),
    }
    world.server.answer = answers[kind]
    with pytest.raises(Refused) as caught:
        challenged(way)
    assert (caught.value.code, next_step(caught.value)) == ("challenge_unanswered", Next.STOP)

    def honest(seen: Seen) -> bytes:
        said = standardwebhooks.Webhook(NEW).verify(seen.content, seen.fields)
        assert said["type"] == "url_verification"
        return reply(200, said["challenge"].encode() + b"\n", Content_Type="text/plain")

    world.server.answer = honest
    assert challenged(way).status == 200
    world.names["a.test"] = ["127.0.0.1"]
    with pytest.raises(Refused) as caught:
        challenged(way)
    assert caught.value.code == "address_not_allowed"
