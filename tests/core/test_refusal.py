"""A refusal: what the sender is told, and what it isn't."""

from datetime import timedelta

import pytest

from pratique import Obligation, Refused
from pratique.core.refusal import Answer, BoundaryError, mismatch


def test_every_authentic_refusal_is_the_same_one() -> None:
    """How far a forgery came is in the event, not in the answer (RFC 9457 body without a code)."""
    one = Refused(Obligation.AUTHENTIC, "no live secret", code="bad_signature", hint="h")
    two = Refused(Obligation.AUTHENTIC, "no signature", code="missing_signature")
    assert one.problem() == two.problem()
    assert one.problem() == {
        "type": "urn:pratique:refusal:authentic",
        "title": "Not authentic",
        "status": 401,
    }


def test_a_proven_sender_is_helped() -> None:
    """`valid` says what is wrong; any other says its code."""
    valid = Refused(Obligation.VALID, "the amount is over 100", code="bad_amount").problem()
    assert (valid["status"], valid["code"], valid["detail"]) == (
        400,
        "bad_amount",
        "the amount is over 100",
    )
    assert (
        "detail"
        not in Refused(Obligation.LINKED, "row 7 isn't theirs", code="not_linked").problem()
    )


@pytest.mark.parametrize(
    ("answer", "status", "has_pause"),
    [(Answer.REJECT, 409, False), (Answer.ACKNOWLEDGE, 200, False), (Answer.RETRY, 503, True)],
)
def test_the_answer_decides_the_status(answer: Answer, status: int, has_pause: bool) -> None:
    """Only a retry names a pause."""
    refused = Refused(
        Obligation.UNIQUE, "d", code="c", answer=answer, retry_after=timedelta(seconds=7)
    )
    assert refused.status == status
    assert (refused.retry_after == timedelta(seconds=7)) is has_pause


def test_its_facts_make_the_same_refusal() -> None:
    """An adapter's own exception is the refusal too."""
    refused = Refused(Obligation.VALID, "d", code="c", hint="h", answer=Answer.RETRY, status=502)
    again = Refused(**refused.facts())
    assert str(again) == str(refused)
    assert again.facts() == refused.facts()


def test_every_debt_is_listed_at_once() -> None:
    """One is a sentence; several are a numbered list."""
    assert str(BoundaryError("one.")) == "one."
    assert str(BoundaryError("one.", "two.")).splitlines()[1:] == ["  1. one.", "  2. two."]


def test_expected_and_got_never_swap() -> None:
    """By name, so that no pair is written by hand."""
    assert mismatch("the version", expected=2, got=1) == "the version is 1, expected 2"
