"""The flow of a state change, without a mock: look at the question, send the answer."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pratique import IGNORE, LATER, Claim, Fields, Obligation, Refused
from pratique.core.boundary import Declaration
from pratique.core.callback import Callback
from pratique.core.crossing import Crossing
from pratique.core.question import Act, Begin, Confirm, Decide, Hold, Lookup, Name, Settle
from pratique.core.refusal import Answer
from pratique.core.settling import Rule, settle
from pratique.core.store import Busy, Conflict, Held, Settled
from pratique.fetch import PUBLIC, Fetch, FetchPolicy

NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY = b"event-1"


def rule(**absent: None) -> Rule:
    """Return a rule with every callable, but for those named."""

    def asked(*_: Any) -> Any:
        raise AssertionError("a flow asks; it never calls")

    names = {"confirm": 1, "once": 1, "link": 1, "allow": 2, "act": 1}
    calls: dict[str, Any] = {name: Callback(asked, False, False, name) for name in names}
    return Rule(
        Declaration("invoice.paid", ()),
        **{**calls, **absent},
        business=lambda value: b"b-%a" % value,
    )


def crossing() -> Crossing:
    """Return a crossing of a boundary that owes five obligations, with three discharged."""
    made = Crossing(Fetch("b", FetchPolicy(hosts=PUBLIC)), Claim(b"", Fields(), NOW))
    made.boundary.owed_bits = 0b1111111
    made.declaration = Declaration("invoice.paid", ())
    for obligation in (Obligation.AUTHENTIC, Obligation.FRESH, Obligation.VALID):
        made.discharge(obligation)
    return made


def begun(*, is_transactional: bool = True) -> Any:
    """Return a flow whose first question is asked."""
    return settle(crossing(), rule(), "event", KEY, is_transactional=is_transactional)


def test_asks_in_the_order_of_the_obligations() -> None:
    """Remote first, then one transaction for the rest; the record lies in its first statement."""
    flow = begun()
    assert isinstance(next(flow), Confirm)
    assert isinstance(flow.send("invoice"), Name)
    question = flow.send("in_1")
    assert isinstance(question, Begin)
    assert question.keys == (KEY, b"b-'in_1'")
    assert question.record.proofs == tuple(Obligation)
    assert isinstance(flow.send(None), Lookup)
    assert isinstance(flow.send("row"), Decide)
    question = flow.send(True)
    assert isinstance(question, Act)
    (admitted,) = question.args
    assert (admitted.value, admitted.confirmed, admitted.linked) == ("event", "invoice", "row")
    with pytest.raises(StopIteration) as end:
        flow.send(None)
    assert end.value.value is admitted


ANSWERS = ["invoice", "in_1", None, "row", True]
"""To Confirm, Name, Begin, Lookup, Decide."""


@pytest.mark.parametrize(
    ("at", "answer", "obligation", "code", "sender"),
    [
        (0, LATER, "confirmed", "later", Answer.RETRY),
        (0, IGNORE, "confirmed", "ignored", Answer.ACKNOWLEDGE),
        (0, None, "confirmed", "not_confirmed", Answer.ACKNOWLEDGE),
        (0, False, "confirmed", "not_confirmed", Answer.ACKNOWLEDGE),
        (1, None, "unique", "no_business_key", Answer.ACKNOWLEDGE),
        (2, KEY, "unique", "replayed", Answer.ACKNOWLEDGE),
        (2, b"b-'in_1'", "unique", "already_applied", Answer.ACKNOWLEDGE),
        (3, None, "linked", "not_linked", Answer.ACKNOWLEDGE),
        (3, LATER, "linked", "later", Answer.RETRY),
        (4, False, "allowed", "not_allowed", Answer.ACKNOWLEDGE),
        (4, None, "allowed", "not_allowed", Answer.ACKNOWLEDGE),
        (4, LATER, "allowed", "later", Answer.RETRY),
        (4, "yes", "allowed", "internal", Answer.RETRY),
        (4, 1, "allowed", "internal", Answer.RETRY),
    ],
)
def test_an_answer_that_is_no_yes_is_refused(
    at: int, answer: Any, obligation: str, code: str, sender: Answer
) -> None:
    """A truthy answer of the wrong type is a forgotten await, not a permission. The twin is above."""
    flow = begun()
    next(flow)
    for given in ANSWERS[:at]:
        flow.send(given)
    with pytest.raises(Refused) as caught:
        flow.send(answer)
    refused = caught.value
    assert (refused.obligation, refused.code, refused.answer) == (obligation, code, sender)


def _carry_on(flow: Any, answers: dict[type, Any]) -> None:
    question = next(flow)
    while not isinstance(question, Act):
        question = flow.send(answers[type(question)])


@pytest.mark.parametrize("missing", ["confirm", "link", "allow"])
def test_what_is_owed_and_was_not_discharged_is_not_minted(missing: str) -> None:
    """Law 9: that nothing refused is a poor sign that a check ran (CWE-636)."""
    flow = settle(crossing(), rule(**{missing: None}), "event", KEY, is_transactional=True)
    by_kind = {Confirm: "invoice", Name: "in_1", Begin: None, Lookup: "row", Decide: True}
    with pytest.raises(Refused) as caught:
        _carry_on(flow, by_kind)
    assert caught.value.code == "unproven"


def test_outside_a_transaction_the_keys_are_held_around_the_effect() -> None:
    """Held before the remote proof; the business key is settled first, the event's last."""
    flow = begun(is_transactional=False)
    question = next(flow)
    assert isinstance(question, Hold)
    assert question.key == KEY
    assert isinstance(flow.send(Held(7)), Confirm)
    assert isinstance(flow.send("invoice"), Name)
    assert isinstance(flow.send("in_1"), Hold)
    assert isinstance(flow.send(Held(9)), Lookup)
    assert isinstance(flow.send("row"), Decide)
    assert isinstance(flow.send(True), Act)
    assert flow.send(None) == Settle(b"b-'in_1'", 9, is_last=False)
    assert flow.send(True) == Settle(KEY, 7, is_last=True)
    with pytest.raises(Refused) as caught:
        flow.send(False)  # somebody took over
    assert caught.value.code == "overtaken"


@pytest.mark.parametrize(
    ("answer", "code"),
    [(Settled(b""), "replayed"), (Busy(NOW - NOW), "busy"), (Conflict(), "key_conflict")],
)
def test_a_key_that_is_not_free_is_refused(answer: object, code: str) -> None:
    """Used, held by another, used for other content."""
    flow = begun(is_transactional=False)
    next(flow)
    with pytest.raises(Refused) as caught:
        flow.send(answer)
    assert caught.value.code == code
