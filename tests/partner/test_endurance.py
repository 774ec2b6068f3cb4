"""A partner that fails is asked again where that may help, within one deadline, and then left alone."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stamina

from pratique.core.obligation import VALID
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.partner.breaker import Breaker
from pratique.partner.retry import Retry
from tests.fetch.world import Seen, World, reply
from tests.partner.risk import HONEST, Risk

FAST = Retry(attempts=3, wait=timedelta(milliseconds=1), wait_most=timedelta(milliseconds=5))
both = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def failing(times: int, status: int = 503, **fields: str) -> Callable[[Seen], bytes]:
    """Fail so often, then answer honestly."""
    left = [times]

    def answer(_: Seen) -> bytes:
        left[0] -= 1
        if left[0] >= 0:
            return reply(status, b"{}", Content_Type="application/json", **fields)
        return reply(200, json.dumps(HONEST).encode(), Content_Type="application/json")

    return answer


@both
def test_an_outage_is_outlasted(world: World, is_async: bool) -> None:
    """Two failures and an answer are an answer; three failures are refused. Each try is recorded."""
    risk = Risk(world, is_async=is_async, retry=FAST)
    world.server.answer = failing(2)
    assert risk.ask().score == 12
    assert [record.code for record in risk.records] == ["partner_unavailable"] * 2 + [""]
    world.server.answer = failing(3)
    assert risk.refusal().code == "partner_unavailable"


@both
def test_a_wrong_answer_is_not_asked_for_again(world: World, is_async: bool) -> None:
    """Asking again doesn't make a lie true; nor does it give a key back that is denied."""
    risk = Risk(world, is_async=is_async, retry=FAST)
    risk.answers({"order": "o_2", "score": 1, "verdict": "approve"})
    assert risk.refusal().code == "not_about_it"
    world.server.answer = failing(9, 401)
    assert risk.refusal().code == "partner_denies"
    assert len(world.server.seen) == 2


@both
def test_a_change_is_asked_for_once(world: World, is_async: bool) -> None:
    """A POST goes once; with an idempotency key it goes again, under the same key."""
    risk = Risk(world, is_async=is_async, retry=FAST)
    about = {"order": "o_1"}
    world.server.answer = failing(1)
    assert risk.refusal(lambda: risk.post({"a": 1}, about=about)).code == "partner_unavailable"
    assert len(world.server.seen) == 1
    world.server.answer = failing(1)
    assert risk.post({"a": 1}, about=about, idempotency_key="k-1").score == 12
    sent = world.server.seen[1:]
    assert [seen.fields["idempotency-key"] for seen in sent] == ["k-1", "k-1"]
    assert {seen.content for seen in sent} == {b'{"a":1}'}


@both
def test_a_partner_that_asks_for_a_pause_gets_it(world: World, is_async: bool) -> None:
    """Retry-After within the bound is waited for; beyond it, the caller is told how long."""
    patient = Retry(attempts=2, wait=timedelta(milliseconds=1), wait_most=timedelta(seconds=2))
    risk = Risk(world, is_async=is_async, retry=patient)
    world.server.answer = failing(1, 429, Retry_After="0")
    assert risk.ask().score == 12
    world.server.answer = failing(1, 429, Retry_After="999999999")
    refused = risk.refusal()
    assert (refused.code, refused.retry_after) == ("partner_busy", timedelta(hours=1))
    world.server.answer = failing(1, 503, Retry_After="soon")
    with stamina.set_testing(True, attempts=2):
        assert risk.ask().score == 12


@both
def test_a_pause_may_be_a_date(world: World, is_async: bool) -> None:
    """RFC 9110 §10.2.3: ten minutes ahead is told to the caller; a date that is over asks nothing."""
    noon = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    patient = Retry(attempts=2, wait=timedelta(milliseconds=1), wait_most=timedelta(seconds=2))
    risk = Risk(world, is_async=is_async, retry=patient, clock=lambda: noon)
    world.server.answer = failing(1, 503, Retry_After="Tue, 24 Nov 2026 12:10:00 GMT")
    refused = risk.refusal()
    assert (refused.code, refused.retry_after) == ("partner_busy", timedelta(minutes=10))
    world.server.answer = failing(1, 503, Retry_After="Tue, 24 Nov 2026 11:50:00 GMT")
    assert risk.ask().score == 12


@both
def test_a_partner_that_fails_is_left_alone(world: World, is_async: bool) -> None:
    """After three failures nothing is sent for the pause; wrong answers don't count."""
    risk = Risk(world, is_async=is_async, breaker=Breaker(3, timedelta(minutes=5)))
    risk.answers({"order": "o_2", "score": 1, "verdict": "approve"})
    for _ in range(5):
        assert risk.refusal().code == "not_about_it"
    world.server.answer = failing(3)
    for _ in range(3):
        assert risk.refusal().code == "partner_unavailable"
    sent = len(world.server.seen)
    refused = risk.refusal()
    assert (refused.code, refused.status) == ("breaker_open", 503)
    assert len(world.server.seen) == sent
    assert risk.records[-1].code == "breaker_open"


@both
def test_what_fails_with_us_is_no_outage_of_theirs(world: World, is_async: bool) -> None:
    """A callable that answers no bool asks nothing twice and opens no breaker; an outage does."""
    breaker = Breaker(2, timedelta(minutes=5))
    risk = Risk(world, is_async=is_async, retry=FAST, breaker=breaker)
    risk.answers()
    for _ in range(3):
        assert risk.refusal(limits=lambda _: "yes").code == "internal"
    assert len(world.server.seen) == 3
    assert risk.ask(limits=lambda _: True).score == 12
    world.server.answer = failing(2)
    assert risk.refusal().code == "breaker_open"


@both
def test_a_partner_that_is_back_is_asked_again(world: World, is_async: bool) -> None:
    """Once the pause is over, one question tries, and an answer closes the breaker."""
    risk = Risk(world, is_async=is_async, breaker=Breaker(1, timedelta(microseconds=1)))
    world.server.answer = failing(1)
    assert risk.refusal().code == "partner_unavailable"
    assert risk.ask().score == 12
    assert risk.ask().score == 12


async def test_after_the_pause_one_question_tries_and_no_crowd() -> None:
    """While it is out, the others are refused, sync and async; its answer lets them through."""
    circuit = Breaker(1, timedelta(microseconds=1)).of("risk")
    gone = Refused(VALID, "gone", code="partner_unavailable", answer=Answer.RETRY)

    def fail() -> int:
        raise gone

    async def afail() -> int:
        raise gone

    def crowd() -> int:
        with pytest.raises(Refused) as caught:
            circuit.run(lambda: 2)
        assert caught.value.code == "breaker_open"
        return 1

    async def acrowd() -> int:
        with pytest.raises(Refused) as caught:
            await circuit.arun(two)
        assert caught.value.code == "breaker_open"
        return 1

    async def two() -> int:
        return 2

    with pytest.raises(Refused):
        circuit.run(fail)
    assert (circuit.run(crowd), circuit.run(lambda: 2)) == (1, 2)
    with pytest.raises(Refused):
        await circuit.arun(afail)
    assert (await circuit.arun(acrowd), await circuit.arun(two)) == (1, 2)


@pytest.mark.parametrize(
    "made",
    [
        lambda: Retry(attempts=1),
        lambda: Retry(wait=timedelta(0)),
        lambda: Retry(wait=timedelta(seconds=3), wait_most=timedelta(seconds=2)),
        lambda: Breaker(failures=0),
        lambda: Breaker(pause=timedelta(0)),
    ],
)
def test_what_would_do_nothing_is_refused(made: Callable[[], Any]) -> None:
    """A retry of one attempt, a wait of none, a breaker that never opens: said at once."""
    with pytest.raises(BoundaryError):
        made()
