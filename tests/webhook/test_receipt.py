"""What the answer of a customer says of a delivery: taken, again, stop, or never again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pratique import Obligation, Perimeter, Refused
from pratique.core.event import Outcome
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.webhook import Next, Outgoing, next_step, providers
from tests.docs.test_reference import headings
from tests.fetch.world import World, reply
from tests.sink import Kept
from tests.webhook.customers import (
    CONTENT,
    GOOD,
    NEW,
    POLICY,
    URL,
    Way,
    every_way,
    refusal,
    started,
)

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
    with started(POLICY) as (fetch, scheme, _), pytest.raises(Refused) as caught:
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
    kept = Kept()
    world.server.answer = lambda _: reply(410, b"")
    perimeter = Perimeter(events=kept)
    fetch = perimeter.declare(Fetch("callbacks", POLICY))
    perimeter.start()
    outgoing = Outgoing(providers.standard_webhooks, through=fetch)
    with pytest.raises(Refused) as caught:
        outgoing.send(URL, CONTENT, key="m", secrets=NEW)
    fetch.close()
    perimeter.close()
    (record,) = kept.records
    assert (record.crossing_id, record.outcome) == (caught.value.crossing_id, Outcome.PROVEN)


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
