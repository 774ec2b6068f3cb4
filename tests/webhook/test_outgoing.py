"""Events to URLs of customers, on real sockets: gated when sent, sealed anew, judged by the answer."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Event as Signal
from typing import Any

import pytest
import standardwebhooks

from pratique import Claim, Fields, Obligation, Perimeter, Refused
from pratique.core.event import Outcome
from pratique.core.refusal import Answer, BoundaryError
from pratique.core.secret import LiveSecret
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, Response, gate
from pratique.webhook import Next, Outgoing, next_step, providers
from tests.docs.test_reference import headings
from tests.fetch.world import Seen, World, reply, small_internet

GOOD, OTHER = "93.184.215.14", "151.101.1.69"
URL = "https://a.test/hook"
OLD, NEW = (f"whsec_{b64encode(bytes(range(n, n + 24))).decode()}" for n in (0, 100))
PRIVATE = f"whsk_{b64encode(bytes(range(32))).decode()}"
CONTENT = b'{"type":"invoice.paid","data":{"id":"in_1"}}'
POLICY = FetchPolicy(
    hosts=PUBLIC,
    content_types={"*/*"},
    max_wire_bytes=64_000,
    max_content_bytes=64_000,
    deadline=timedelta(seconds=10),
)
ERP = providers.generic(
    "erp",
    signature_field="X-Erp-Signature",
    time_field="X-Erp-Time",
    id_field="X-Erp-Id",
    signed="{id}.{time}.{content}",
)
Way = Callable[..., Response]


def by_send(policy: FetchPolicy, url: str, content: bytes = CONTENT, **named: Any) -> Response:
    """Send on this thread."""
    with _started(policy) as (fetch, scheme, clock):
        outgoing = Outgoing(named.pop("scheme", scheme), through=fetch, clock=clock)
        return outgoing.send(url, content, **_defaults(named)).value


def by_asend(policy: FetchPolicy, url: str, content: bytes = CONTENT, **named: Any) -> Response:
    """Send on an event loop."""

    async def work() -> Response:
        with _started(policy) as (fetch, scheme, clock):
            outgoing = Outgoing(named.pop("scheme", scheme), through=fetch, clock=clock)
            try:
                return (await outgoing.asend(url, content, **_defaults(named))).value
            finally:
                await fetch.aclose()

    return asyncio.run(work())


class _started:  # noqa: N801  it reads as a function
    def __init__(self, policy: FetchPolicy) -> None:
        self.perimeter = Perimeter()
        self.fetch = self.perimeter.declare(Fetch("callbacks", policy))

    def __enter__(self) -> tuple[Fetch, Any, None]:
        self.perimeter.start()
        return self.fetch, providers.standard_webhooks, None

    def __exit__(self, *_: object) -> None:
        self.fetch.close()
        self.perimeter.close()


def _defaults(named: dict[str, Any]) -> dict[str, Any]:
    return {"key": "msg_1", "secrets": NEW, **named}


every_way = pytest.mark.parametrize("way", [by_send, by_asend], ids=["send", "asend"])


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """Give a small internet in which a.test is a customer's receiver."""
    with small_internet(monkeypatch, tmp_path) as made:
        made.names.update({"a.test": [GOOD], "b.test": [OTHER]})
        yield made


def refusal(way: Way, *args: Any, policy: FetchPolicy = POLICY, **named: Any) -> Refused:
    """Send, and return the refusal."""
    with pytest.raises(Refused) as caught:
        way(policy, *(args or (URL,)), **named)
    return caught.value


def receiver(secret: str = NEW) -> Callable[[Seen], bytes]:
    """Return a receiver that verifies with the SDK of Standard Webhooks."""
    sdk = standardwebhooks.Webhook(secret)

    def answer(seen: Seen) -> bytes:
        try:
            sdk.verify(seen.content, seen.fields)
        except standardwebhooks.WebhookVerificationError:
            return reply(401, b"no", Content_Type="application/problem+json")
        return reply(204, b"", Content_Type="", Content_Length="")

    return answer


# --- what a receiver gets --------------------------------------------------------------------------


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
    with _started(POLICY) as (fetch, scheme, _):
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


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"ok", Content_Type="text/plain"),
        reply(200, b"", Content_Type=""),
        reply(204, b"", Content_Type="", Content_Length=""),
        reply(202, b"{}", Content_Type="application/problem+json"),
        reply(200, b"untyped", Content_Type=""),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
    ids=["text", "empty", "204", "problem", "untyped", "chunked"],
)
@every_way
def test_any_2xx_is_taken_whatever_its_content(world: World, way: Way, answer: bytes) -> None:
    """Receivers answer as they like. The twin: over the cap it is refused."""
    world.server.answer = lambda _: answer
    assert way(POLICY, URL).status in (200, 202, 204)
    world.server.answer = lambda _: reply(200, bytes(64_001))
    assert refusal(way).code == "too_large_on_the_wire"


# --- where it may lead -----------------------------------------------------------------------------


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


@every_way
@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_2xx_behind_a_redirect_is_no_receipt(world: World, way: Way, status: int) -> None:
    """The second request is a GET without content: 200 says nothing of the event. Without it, 200 does."""
    redirecting = FetchPolicy(hosts=PUBLIC, content_types={"*/*"}, redirects=1)
    world.server.answer = lambda seen: (
        reply(status, b"", Location="/login") if seen.target == "/hook" else reply()
    )
    refused = refusal(way, policy=redirecting)
    assert (refused.code, next_step(refused)) == ("redirected", Next.AGAIN)
    assert [(seen.method, seen.content) for seen in world.server.seen] == [
        ("POST", CONTENT),
        ("GET", b""),
    ]
    assert way(redirecting, "https://a.test/login").status == 200


def test_a_customer_whose_dns_hangs_stops_nobody_else(world: World) -> None:
    """FT-22: A's nine lookups hang, the ninth is refused at once; B's event arrives meanwhile."""
    end = Signal()
    world.names.update({f"h{n}.test": lambda: end.wait(20) and None for n in range(9)})
    world.server.answer = receiver()
    short = FetchPolicy(hosts=PUBLIC, content_types={"*/*"}, deadline=timedelta(seconds=1))
    with _started(short) as (fetch, scheme, _), ThreadPoolExecutor(9) as pool:
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


# --- what the answer says --------------------------------------------------------------------------

AGAIN, STOP, DISABLE = Next.AGAIN, Next.STOP, Next.DISABLE


@every_way
@pytest.mark.parametrize(
    ("status", "retry_after", "code", "step", "pause"),
    [
        (410, "60", "endpoint_gone", DISABLE, None),
        (429, "120", "endpoint_busy", AGAIN, 120),
        (429, "", "endpoint_busy", AGAIN, 60),
        (503, "7", "endpoint_busy", AGAIN, 7),
        (503, "9" * 500, "endpoint_busy", AGAIN, 86400),
        (503, "0", "endpoint_busy", AGAIN, 1),
        (503, "-5", "endpoint_unavailable", AGAIN, 5),
        (503, "soon", "endpoint_unavailable", AGAIN, 5),
        (500, "", "endpoint_unavailable", AGAIN, 5),
        (504, "", "endpoint_unavailable", AGAIN, 5),
        (408, "", "endpoint_unavailable", AGAIN, 5),
        (400, "60", "endpoint_refuses", AGAIN, None),
        (404, "", "endpoint_refuses", AGAIN, None),
        (304, "", "endpoint_refuses", AGAIN, None),
    ],
)
def test_what_isnt_2xx_is_refused_by_its_kind(
    world: World,
    way: Way,
    status: int,
    retry_after: str,
    code: str,
    step: Next,
    pause: int | None,
) -> None:
    """Again, or never again, and when. The twin: 200 is taken."""
    world.server.answer = lambda _: reply(status, b"", Retry_After=retry_after)
    refused = refusal(way)
    assert (refused.code, next_step(refused)) == (code, step)
    seconds = refused.retry_after.total_seconds() if refused.retry_after else None
    assert seconds == pause
    world.server.answer = lambda _: reply(200, b"")
    assert way(POLICY, URL).status == 200


@pytest.mark.parametrize(
    ("minutes", "pause"), [(10, timedelta(minutes=10)), (-10, timedelta(seconds=1))]
)
def test_a_date_in_retry_after_is_read(world: World, minutes: int, pause: timedelta) -> None:
    """RFC 9110 §10.2.3: a date ahead is that long a pause; one that is over, the shortest."""
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    said = format_datetime(at + timedelta(minutes=minutes), usegmt=True)
    world.server.answer = lambda _: reply(503, b"", Retry_After=said)
    with _started(POLICY) as (fetch, scheme, _), pytest.raises(Refused) as caught:
        Outgoing(scheme, through=fetch, clock=lambda: at).send(URL, CONTENT, key="m", secrets=NEW)
    assert (caught.value.code, caught.value.retry_after) == ("endpoint_busy", pause)


def test_every_code_that_is_judged_by_name_is_a_code() -> None:
    """A code that was renamed in another room would turn AGAIN into STOP without a word."""
    from pratique.webhook.receipt import _MAY_PASS

    assert set(headings()) >= _MAY_PASS
    unheard = Refused(Obligation.VALID, "nobody knows it", code="unheard")
    assert next_step(unheard) is Next.STOP


@every_way
def test_what_cant_be_reached_is_tried_again(world: World, way: Way) -> None:
    """Connections, names and certificates are mended; the event waits. Reached, it is taken."""
    world.dead.add(GOOD)
    refused = refusal(way)
    assert (refused.code, next_step(refused)) == ("unreachable", Next.AGAIN)
    world.dead.clear()
    refused = refusal(way, "https://nowhere.test/")
    assert (refused.code, next_step(refused)) == ("unknown_host", Next.AGAIN)
    world.server.certificate_names = ["b.test"]
    refused = refusal(way)
    assert (refused.code, next_step(refused)) == ("bad_certificate", Next.AGAIN)
    world.server.certificate_names = None
    assert way(POLICY, URL).status == 200


def test_a_refusal_bears_the_crossing_of_the_answer(world: World) -> None:
    """The record of the answer is found by it."""
    kept: list[Any] = []

    class Kept:
        def emit(self, record: Any) -> None:
            kept.append(record)

        def find(self, crossing_id: str) -> Any: ...

        def close(self) -> None: ...

    world.server.answer = lambda _: reply(410, b"")
    perimeter = Perimeter(events=Kept())
    fetch = perimeter.declare(Fetch("callbacks", POLICY))
    perimeter.start()
    outgoing = Outgoing(providers.standard_webhooks, through=fetch)
    with pytest.raises(Refused) as caught:
        outgoing.send(URL, CONTENT, key="m", secrets=NEW)
    fetch.close()
    perimeter.close()
    (record,) = kept
    assert (record.crossing_id, record.outcome) == (caught.value.crossing_id, Outcome.PROVEN)


# --- keys and secrets ------------------------------------------------------------------------------


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
    with _started(POLICY) as (fetch, _, _):
        if name == "slack":
            assert Outgoing(providers.slack, through=fetch).scheme.name == "slack"
            return
        with pytest.raises(BoundaryError, match="replay"):
            Outgoing(providers.github, through=fetch)


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
    with _started(POLICY) as (fetch, scheme, _):
        texts.append(repr(Outgoing(scheme, through=fetch)))
    texts.append(caplog.text)
    for secret in (NEW, OLD):
        assert not any(secret.removeprefix("whsec_") in text for text in texts)


# --- at registration -------------------------------------------------------------------------------


def challenged(way: str) -> Response:
    """Challenge the customer's endpoint."""
    with _started(POLICY) as (fetch, scheme, _):
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
