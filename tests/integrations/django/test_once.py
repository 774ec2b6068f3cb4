"""What a client asks for happens once, in the transaction of Django's store."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from django.db import connections

from pratique import Perimeter, Refused
from pratique.client import Attempts, Client, Session, SessionCookie
from pratique.core.claim import Claim, Fields, Via
from pratique.integrations.django import store
from tests import django_site as site
from tests.client.shop import NOON, ORIGIN

TOKEN = "t" * 32


class Redeemed(msgspec.Struct):
    """The answer."""

    upgrades: int


def sent(*more: tuple[str, str]) -> Claim:
    """Return a request, perhaps with an idempotency key."""
    fields = [("Cookie", f"session={TOKEN}"), ("Origin", ORIGIN), *more]
    return Claim(b"", Fields(fields), NOON, Via(method="POST"))


@pytest.fixture
def ask(migrated: Any) -> Any:
    """Return a function that asks for it: the coupon is a row, whose number is the business key."""
    from tests.integrations.django.shop.models import Subscription

    site.shop()  # for its rows
    perimeter = Perimeter(store(), clock=lambda: NOON)
    client = perimeter.declare(
        Client(
            "shop",
            identity=SessionCookie(
                "session", lambda _, db: Session(1, NOON, NOON), origins=[ORIGIN]
            ),
            user=lambda subject, db: Subscription.objects.using(db).get(id=subject),
            policy=lambda *_: True,
        )
    )

    @client.once(
        "coupon.redeem",
        key=lambda asked: asked.key,
        link=lambda user, key: Subscription.objects.filter(id=key).first(),
        read_key=int,
        allow=lambda asked, row: row.state == "pending",
        answer=Redeemed,
        attempts=Attempts(6),
    )
    def redeem(proven: Any) -> Redeemed:
        row = proven.value.object
        row.state, row.upgrades = "active", row.upgrades + 1
        row.save()
        return Redeemed(row.upgrades)

    def asked(*more: tuple[str, str], key: str = "2") -> Any:
        try:
            return perimeter.perform(
                client, sent(*more), lambda crossing: redeem.flow(crossing, key=key)
            )
        except Refused as refused:
            return refused.code

    with perimeter:
        yield asked


def test_the_same_request_is_told_the_same_answer(ask: Any) -> None:
    """With its idempotency key; with another one it was done already, and another object is new."""
    again = ("Idempotency-Key", '"a"')
    first, second = ask(again), ask(again)
    assert (first.content, first.is_repeated) == (b'{"upgrades":1}', False)
    assert (second.content, second.is_repeated) == (b'{"upgrades":1}', True)
    assert ask(("Idempotency-Key", '"b"')) == "already_applied"
    assert ask(again, key="1") == "key_conflict"
    assert ask(key="1").content == b'{"upgrades":1}'


def test_attempts_are_counted_for_good(ask: Any) -> None:
    """What was asked too often is refused, whatever it asks for; before that it is answered."""
    told = [ask(key="99") for _ in range(8)]
    assert told[0] == "not_found"
    assert told[-1] not in ("not_found", "internal")


def test_six_requests_at_once_have_one_effect(ask: Any) -> None:
    """Whoever comes second is told that it was done, or to come again."""

    def one(_: int) -> Any:
        try:
            return ask()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(one, range(6)))
    done = [answer for answer in told if not isinstance(answer, str)]
    assert [answer.content for answer in done] == [b'{"upgrades":1}']
    assert {answer for answer in told if isinstance(answer, str)} <= {"already_applied", "busy"}
