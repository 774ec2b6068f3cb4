"""The guide's ten questions, answered from the declarations and nothing else."""

from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec

from pratique import Admitted, Obligation, Perimeter, stores, unsafe
from pratique.client import Client, SessionCookie
from pratique.core.boundary import Boundary
from pratique.core.checklist import QUESTIONS, Status, blast_radius, ten_questions
from pratique.fetch import PUBLIC, Fetch, FetchPolicy
from pratique.webhook import Event, Webhook, providers
from tests.shop import SECRET

HERE = Path(__file__).name


class Note(msgspec.Struct, forbid_unknown_fields=True):
    """What may be written."""

    text: Annotated[str, msgspec.Meta(max_length=10)]


def payments(*, is_observing: bool = False, is_waived: bool = False) -> Boundary:
    """Return a started webhook boundary."""
    observe = (
        unsafe.observe(until=date(2027, 1, 1), reason="r", owner="o") if is_observing else None
    )
    waivers = (
        [
            unsafe.waive(
                Obligation.ALLOWED,
                reason="no states yet",
                owner="o@shop",
                until=date(2027, 1, 1),
                bound="10 a day",
            )
        ]
        if is_waived
        else []
    )
    made = Perimeter(store=stores.memory())
    boundary = made.declare(Webhook("payments", providers.stripe(secrets=SECRET), observe=observe))
    options = {} if is_waived else {"allow": lambda invoice, row: True}

    @boundary.on(  # type: ignore[call-overload]
        "invoice.paid",
        confirm=lambda event: event.object_id,
        once=lambda invoice: invoice,
        link=lambda invoice: invoice,
        waivers=waivers,
        **options,
    )
    def act(paid: Admitted[Event, str, str]) -> None:
        """Change nothing."""

    assert made.debts() == []
    return boundary


def test_each_question_is_answered() -> None:
    """Ten, in the guide's order, each with its status and a text."""
    answers = ten_questions(payments())
    assert [answer.question for answer in answers] == list(QUESTIONS)
    assert all(answer.status is Status.DECLARED and answer.text for answer in answers[:9])
    assert HERE in answers[0].text
    assert "we don't judge that it is right" in answers[2].text


def test_an_observed_boundary_says_that_it_only_observes() -> None:
    """Nothing is enforced, so nothing is declared."""
    assert {a.status for a in ten_questions(payments(is_observing=True))} <= {
        Status.OBSERVED,
        Status.NOT_COVERED,
    }


def test_a_waiver_stands_in_the_answers() -> None:
    """With owner, end and bound; and it contributes no proof."""
    answers = ten_questions(payments(is_waived=True))
    assert "WAIVED" in answers[5].text
    assert "2027-01-01 by o@shop (no states yet; bound: 10 a day)" in answers[9].text


def test_what_nobody_declared_is_not_covered() -> None:
    """A boundary that proves neither freshness nor uniqueness has that question open."""
    answers = ten_questions(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    assert {a.number: a.status for a in answers}[5] is Status.NOT_COVERED
    assert answers[4].text == "not declared here"
    assert "authentic, allowed, valid: each has a proof" in answers[9].text


def test_what_a_view_writes_is_not_said_to_be_nothing() -> None:
    """An action hands a proof to a view: what that changes nobody declared; an effect of `once` and a fetch are told whole."""
    client = Client(
        "shop",
        identity=SessionCookie("session", lambda _: None, origins=["https://shop.example"]),
        user=lambda subject: subject,
        policy=lambda *_: False,
    )
    client.once("coupon.redeem", key=lambda _: 1)(lambda _: None)
    assert "changes state in test_checklist.py" in ten_questions(client)[0].text
    assert ten_questions(client)[0].status is Status.DECLARED
    client.action("order.update", content=Note)
    client.action("order.read")
    changes = ten_questions(client)[0]
    assert "order.update, order.read: the application's own view acts on it" in changes.text
    assert changes.status is Status.NOT_COVERED
    assert "it changes nothing" not in changes.text
    fetch = ten_questions(Fetch("previews", FetchPolicy(hosts=PUBLIC)))[0]
    assert (fetch.text, fetch.status) == ("no: it changes nothing", Status.DECLARED)


def test_a_thief_of_each_root_is_told_what_it_can_do() -> None:
    """The guide: if the upstream is compromised, what can this service be tricked into?"""
    found = dict(blast_radius(payments()))
    secret = next(can for root, can in found.items() if "payments/" in root)
    party = next(can for root, can in found.items() if root.startswith("party"))
    assert "invent" not in secret  # the invoice is read again at its source
    assert "invent" in party
