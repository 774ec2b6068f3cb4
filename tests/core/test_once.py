"""The flow of what happens once, without a mock; and a store that fails at any call."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import LATER, Perimeter, Refused, stores
from pratique.client import Attempts, Client, Session, SessionCookie
from pratique.core.claim import Claim, Fields, Via
from pratique.core.crossing import Crossing
from pratique.core.question import (
    Act,
    Begin,
    Count,
    Decide,
    Lookup,
    Name,
    Recall,
    Uncount,
)
from pratique.core.refusal import StoreError
from pratique.core.store import Counted, Kept

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ORIGIN = "https://shop.example"
SIGNED_IN = Session(1, NOW, NOW)


def shop(handler: Any = lambda _: None, **more: Any) -> tuple[Client, Any]:
    """Return a boundary with one action that happens once."""
    made = Client(
        "shop",
        identity=SessionCookie("session", lambda _: SIGNED_IN, origins=[ORIGIN]),
        user=lambda subject: {"id": subject},
        policy=lambda *_: True,
    )
    declare = made.once(
        "coupon.redeem",
        key=lambda asked: asked.key,
        link=lambda user, key: key,
        read_key=str,
        allow=lambda asked, row: True,
        attempts=Attempts(5),
        **more,
    )
    return made, declare(handler)


def claim(*fields: tuple[str, str]) -> Claim:
    """Return a request."""
    own = (("Cookie", f"session={'t' * 32}"), ("Origin", ORIGIN))
    return Claim(b"", Fields([*own, *fields]), NOW, Via(method="POST"))


def begun(*fields: tuple[str, str]) -> Any:
    """Return a flow."""
    boundary, action = shop()
    action.prepare(stores.memory())
    return action.flow(Crossing(boundary, claim(*fields)), key="10")


FEW = Counted(1, timedelta(seconds=1))


def test_asks_in_the_order_of_the_obligations() -> None:
    """Who calls, then the count, the business key, one transaction for the rest, and the counts taken back."""
    flow = begun()
    assert isinstance(next(flow), Lookup)
    whole = flow.send(SIGNED_IN)
    assert isinstance(whole, Count)
    one = flow.send(FEW)
    assert isinstance(one, Count)
    assert one.key != whole.key
    assert isinstance(flow.send(FEW), Name)
    begin = flow.send("10")
    assert isinstance(begin, Begin)
    assert len(begin.keys) == 1
    assert begin.record.proofs == ("authentic", "fresh", "unique", "linked", "allowed", "valid")
    assert isinstance(flow.send(None), Lookup)
    assert isinstance(flow.send("user"), Lookup)
    assert isinstance(flow.send("coupon"), Decide)
    assert isinstance(flow.send(True), Decide)
    act = flow.send(True)
    assert isinstance(act, Act)
    assert act.key == b""
    assert act.answer is not None
    assert isinstance(flow.send(act.answer(None)), Uncount)
    assert isinstance(flow.send(None), Uncount)
    with pytest.raises(StopIteration) as end:
        flow.send(None)
    assert (end.value.value.content, end.value.value.is_repeated) == (b"{}", False)


def test_a_kept_answer_is_asked_for_last() -> None:
    """The user, the object and the policy come before the answer is even read; then the transaction is undone."""
    flow = begun(("Idempotency-Key", '"k"'))
    next(flow)
    for answer in (SIGNED_IN, FEW, FEW):
        flow.send(answer)
    begin = flow.send("10")
    assert len(begin.keys) == 2
    assert isinstance(flow.send(begin.keys[0]), Lookup)
    assert isinstance(flow.send("user"), Lookup)
    assert isinstance(flow.send("coupon"), Decide)
    assert isinstance(flow.send(True), Recall)
    with pytest.raises(Refused) as refused:
        flow.send(Kept(b"of another request", b"{}"))
    assert (refused.value.code, refused.value.status) == ("key_conflict", 422)


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([None], "no_session"),
        ([SIGNED_IN, Counted(21, timedelta(seconds=9))], "too_many_attempts"),
        ([SIGNED_IN, FEW, Counted(6, timedelta(seconds=9))], "too_many_attempts"),
        ([SIGNED_IN, FEW, FEW, None], "not_found"),
        ([SIGNED_IN, FEW, FEW, LATER], "later"),
        ([SIGNED_IN, FEW, FEW, 1.5], "bad_business_key"),
        ([SIGNED_IN, FEW, FEW, "10", None, None], "unknown_user"),
        ([SIGNED_IN, FEW, FEW, "10", None, "user", None], "not_found"),
        ([SIGNED_IN, FEW, FEW, "10", None, "user", "coupon", False], "not_allowed"),
        ([SIGNED_IN, FEW, FEW, "10", None, "user", "coupon", True, False], "not_allowed"),
        ([SIGNED_IN, FEW, FEW, "10", None, "user", "coupon", True, 1], "internal"),
    ],
)
def test_each_answer_can_refuse(answers: list[Any], code: str) -> None:
    """No, nothing, not yet, or truthy and not True: refused there, and `Act` is never asked."""
    flow = begun()
    asked = [next(flow), *(flow.send(answer) for answer in answers[:-1])]
    with pytest.raises(Refused) as refused:
        flow.send(answers[-1])
    assert refused.value.code == code
    assert not any(isinstance(question, Act) for question in asked)


class Failing:
    """A store whose n-th call raises; its transactions too."""

    def __init__(self, store: Any, fails_at: int) -> None:
        self.store, self.left = store, fails_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if not callable(found) or name in ("start", "close", "rollback", "record_refusal"):
            return found

        def call(*args: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise StoreError("it is down")
            value = found(*args, **named)
            return Nested(value, self) if name in ("begin", "look") else value

        return call


class Nested(Failing):
    """A transaction of it."""

    def __init__(self, transaction: Any, outer: Failing) -> None:
        self.store, self.outer = transaction, outer

    @property
    def left(self) -> int:
        return self.outer.left

    @left.setter
    def left(self, value: int) -> None:
        self.outer.left = value


def answered(perimeter: Perimeter, boundary: Client, action: Any, sent: Claim) -> Any:
    """Return what is told, or why it is refused."""
    try:
        return perimeter.perform(boundary, sent, lambda crossing: action.flow(crossing, key="10"))
    except Refused as refused:
        return refused


def test_a_store_that_fails_at_any_call_refuses() -> None:
    """Law 2: whichever call raises before the commit is done: 503 and nothing used up; later: the effect stands, and is told."""
    refused_at = []
    for fails_at in range(1, 20):
        memory = stores.memory()
        failing = Failing(memory, fails_at)
        failing.sync = failing  # type: ignore[attr-defined]
        boundary, action = shop()
        perimeter = Perimeter(failing, clock=lambda: NOW)  # type: ignore[arg-type]
        perimeter.declare(boundary)
        sent = claim(("Idempotency-Key", '"k"'))
        with perimeter:
            told = answered(perimeter, boundary, action, sent)
        if isinstance(told, Refused):
            refused_at.append(fails_at)
            assert (told.code, told.status) == ("store_unavailable", 503)
            assert memory.settled == {}
        else:
            assert told.content == b"{}"
            assert len(memory.settled) == 2
        if failing.left > 0:
            break
    # Two counts, begin, first use, two locks, keep, commit; what takes counts back may fail.
    assert refused_at == [1, 2, 3, 4, 5, 6, 7, 8]


def test_an_undone_repetition_leaves_nothing_open() -> None:
    """The second of two same requests is told the same, and its keys are given back."""
    memory = stores.memory()
    boundary, action = shop()
    perimeter = Perimeter(memory, clock=lambda: NOW)
    perimeter.declare(boundary)
    sent = claim(("Idempotency-Key", '"k"'))
    with perimeter:
        first, second = (answered(perimeter, boundary, action, sent) for _ in range(2))
    assert (first.content, first.is_repeated) == (b"{}", False)
    assert (second.content, second.is_repeated) == (b"{}", True)
    assert memory.open_keys == set()
    assert len(memory.settled) == 2
