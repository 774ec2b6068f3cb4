"""Below `signed` a delivery is a reason to look: no boundary starts without `confirm`, and nobody burns a key."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from pratique import Claim, Perimeter, Refused, stores, unsafe
from pratique.core.break_glass import VARIABLE
from pratique.core.obligation import AUTHENTIC, CONFIRMED, UNIQUE
from pratique.core.refusal import BoundaryError
from pratique.webhook import Event, Webhook, providers
from tests.sink import Kept
from tests.webhook.other_proofs import AT, CASES, TOPIC, Case, notification

WEAK = ("paypal", "mailgun", "gitlab-legacy", "mollie")
EVERY = pytest.mark.parametrize("name", WEAK)
TYPES = {
    "paypal": "PAYMENT.SALE.COMPLETED",
    "mailgun": "delivered",
    "gitlab-legacy": "push",
    "mollie": "payment",
    "plaid": "ITEM.ERROR",
}
OBJECTS = {
    "paypal": "4EU7",
    "mailgun": "ID1",
    "gitlab-legacy": "7",
    "mollie": "tr_7UhSN1zuXS",
    "plaid": "i-1",
}


class Anything(msgspec.Struct):
    """A content type that takes any object."""


@dataclass
class World:
    """A boundary of one sender, its source of truth, and what was done."""

    case: Case
    transactional: bool = True
    true: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    kept: Kept = field(default_factory=Kept)

    def declared(self, *, confirm: Any = True, once: bool = True, **more: Any) -> Perimeter:
        """Return a perimeter that hasn't started."""
        store = stores.memory()
        store.transactional = self.transactional
        self.store = store
        perimeter = Perimeter(store=store, clock=lambda: AT, events=self.kept)
        secrets = {"secrets": self.case.opening()} if self.case.opening() else {}
        scheme = self.case.scheme
        if scheme.source != "literal":
            scheme = unsafe.unconfirmed(
                scheme, reason="r", owner="o", until=(AT + timedelta(days=30)).date()
            )
        sender = scheme(**secrets, url=self.case.url, **self.case.pins())
        self.boundary = perimeter.declare(Webhook("hooks", sender))

        def source(event: Event[Any]) -> str | None:
            return event.object_id if event.object_id in self.true else None

        named: dict[str, Any] = {"link": lambda i: i, "allow": lambda _i, _r: True, **more}
        named |= {} if confirm is False else {"confirm": source if confirm is True else confirm}
        named |= {"once": lambda i: i} if once else {}
        if self.case.name not in ("mollie", "plaid"):
            named["content"] = Anything
        self.boundary.on(TYPES[self.case.name], **named)(
            lambda paid: self.done.append(paid.confirmed)
        )
        return perimeter

    def code(self, claim: Claim) -> str:
        """Cross, and return the code of the refusal, "" where it is admitted."""
        try:
            self.boundary.perimeter.admit(self.boundary, claim)  # type: ignore[union-attr]
        except Refused as refused:
            return refused.code
        return ""


@contextmanager
def started(
    name: str, *, transactional: bool = True, true: tuple[str, ...] = ()
) -> Iterator[World]:
    """Run a boundary of that sender."""
    world = World(CASES[name], transactional, {OBJECTS[name], *true})
    with world.declared():
        yield world


def about(name: str, object_id: str) -> Claim:
    """Return what somebody makes of an honest delivery that was seen: another object, no new signature."""
    case = CASES[name]
    honest = case.sealed()
    swaps: dict[str, Callable[[], bytes]] = {
        "mailgun": lambda: honest.content.replace(b"ID1", object_id.encode()),
        "gitlab-legacy": lambda: honest.content.replace(
            b'"id": 7', b'"id": "%s"' % object_id.encode()
        ),
        "mollie": f"id={object_id}".encode,
    }
    return Claim(swaps[name](), honest.fields, AT)


@EVERY
def test_no_boundary_starts_without_confirm(name: str) -> None:
    """The debt names it; with it the boundary starts."""
    world = World(CASES[name])
    with pytest.raises(BoundaryError) as error, world.declared(confirm=False):
        pass
    assert any("CONFIRMED" in debt for debt in error.value.debts)
    if not CASES[name].scheme.proves:
        assert any("AUTHENTIC" in debt for debt in error.value.debts)
    with started(name):
        pass


@pytest.mark.parametrize(("name", "offered"), [*((name, False) for name in WEAK), ("plaid", True)])
def test_a_waiver_is_offered_only_where_one_is_taken(name: str, offered: bool) -> None:
    """Plaid's content is signed: its debt says how CONFIRMED is waived. Below that it says why not."""
    with pytest.raises(BoundaryError) as error, World(CASES[name]).declared(confirm=False):
        pass
    (debt,) = (debt for debt in error.value.debts if "owes CONFIRMED" in debt)
    assert ("unsafe.waive(CONFIRMED" in debt) is offered
    assert ("so CONFIRMED can't be waived" in debt) is not offered


@EVERY
@pytest.mark.parametrize("obligation", [CONFIRMED, AUTHENTIC, UNIQUE])
def test_what_it_rests_on_cannot_be_waived(name: str, obligation: Any) -> None:
    """Whatever the reason: the debt says so."""
    waived = unsafe.waive(
        obligation, reason="r", owner="o", until=(AT + timedelta(days=9)).date(), bound="b"
    )
    world = World(CASES[name])
    perimeter = world.declared(
        waivers=[waived], confirm=obligation is not CONFIRMED, once=obligation is not UNIQUE
    )
    with pytest.raises(BoundaryError) as error, perimeter:
        pass
    assert any("can't be waived" in debt for debt in error.value.debts)


@EVERY
@pytest.mark.parametrize("word", ["confirmed", "authentic", "unique"])
def test_an_incident_cannot_do_without_it(
    name: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Break-glass: the start is refused."""
    end = AT + timedelta(hours=3)
    monkeypatch.setenv(VARIABLE, f"hooks:{word}:INC-112:{end.isoformat()}")
    with pytest.raises(BoundaryError), World(CASES[name]).declared():
        pass


@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.parametrize("name", ["mailgun", "gitlab-legacy", "mollie"])
def test_a_stranger_burns_no_key(name: str, transactional: bool) -> None:
    """Whoever holds one delivery sends it first, about something that isn't so, or about something that is."""
    with started(name, transactional=transactional, true=("tr_true", "9")) as world:
        assert world.code(about(name, "tr_lie")) == "not_confirmed"
        assert world.done == []
        true = "9" if name != "mollie" else "tr_true"
        assert world.code(about(name, true)) == ""
        assert world.code(world.case.sealed()) == ""
        assert world.done == [true, OBJECTS[name]]


@pytest.mark.parametrize("transactional", [True, False])
@pytest.mark.parametrize("name", [*WEAK, "plaid"])
def test_what_is_true_happens_once(name: str, transactional: bool) -> None:
    """(object, confirmed state): the same again, with the same or a new signature, changes nothing."""
    with started(name, transactional=transactional) as world:
        assert world.code(world.case.sealed()) == ""
        again = "replayed" if name == "plaid" else "already_applied"
        for sealed, wanted in (
            (world.case.sealed(), again),
            (world.case.sealed(key="msg-2"), again),
        ):
            assert world.code(sealed) == wanted
        assert world.done == [OBJECTS[name]]
        assert len(world.store.settled) == (2 if name == "plaid" else 1)


@pytest.mark.parametrize("transactional", [True, False])
def test_the_same_content_after_another_confirmed_state_is_another_event(
    transactional: bool,
) -> None:
    """Plaid says "there is something new" with the same content day after day."""
    world = World(CASES["plaid"], transactional)
    states = iter(("first", "second", "third"))
    with world.declared(confirm=lambda _event: next(states)):
        assert world.code(world.case.sealed()) == ""
        later = world.case.sealed(at=AT + timedelta(seconds=1))
        assert world.code(later) == ""
        assert world.code(later) == "replayed"
    assert world.done == ["first", "second"]


@pytest.mark.parametrize("name", ["gitlab-legacy", "mollie"])
def test_what_signs_nothing_is_authentic_once_its_source_has_said_so_and_not_before(
    name: str,
) -> None:
    """A flood of such deliveries leaves counters, no rows; what is admitted has all its proofs."""
    with started(name) as world:
        for number in range(20):
            assert world.code(about(name, f"tr_{number}")) == "not_confirmed"
        assert not world.store.records
        assert not world.store.dead_letters
        assert world.code(world.case.sealed()) == ""
        (record,) = world.store.records
        assert {"authentic", "fresh", "unique", "confirmed"} <= set(record.proofs)


def test_the_report_says_on_whom_it_rests() -> None:
    """An unsigned sender's proof is the source that is asked; a fetched certificate's is its host."""
    for name, word in (("mollie", "unsigned"), ("gitlab-legacy", "identified")):
        world = World(CASES[name])
        world.declared()
        (declaration,) = world.boundary.declarations()
        proof = next(p for p in declaration.proofs if p.obligation is AUTHENTIC)
        assert word in proof.method
        assert {str(root.kind) for root in proof.roots} == {"party", "own", "dns", "ca"}
    with started("paypal") as world:
        (declaration,) = world.boundary.declarations()
        proof = next(p for p in declaration.proofs if p.obligation is AUTHENTIC)
        assert {str(root.kind) for root in proof.roots} == {"party", "own", "dns", "ca"}
        unique = next(p for p in declaration.proofs if p.obligation is UNIQUE)
        assert "business key alone" in unique.method


async def test_an_async_callable_fetches_the_certificate_at_an_async_door() -> None:
    """The flow asks; the loop awaits. The same boundary behind a sync door refuses for now."""
    asked: list[str] = []
    pins = CASES["aws-sns"].pins()

    async def fetch(url: str) -> Any:
        asked.append(url)
        return pins["fetch_certificate"](url)

    perimeter = Perimeter(store=stores.memory(), clock=lambda: AT)
    sender = providers.aws_sns(topic_arns=pins["topic_arns"], fetch_certificate=fetch)
    boundary = perimeter.declare(Webhook("topic", sender))
    done: list[str] = []
    boundary.on(
        "Notification",
        confirm=lambda event: event.id,
        once=lambda i: i,
        link=lambda i: i,
        allow=lambda _i, _r: True,
    )(lambda paid: done.append(json.loads(paid.value.content)["Message"]))
    async with perimeter:
        await perimeter.aadmit(boundary, CASES["aws-sns"].sealed())
    assert done == ["paid: \u00e9\nyes"]
    assert len(asked) == 1


def test_a_sync_callable_fetches_it_at_a_sync_door_and_an_async_one_does_not() -> None:
    """Refused for now, and nothing is left un-awaited."""

    async def fetch(_url: str) -> str:
        return ""

    case = CASES["aws-sns"]
    for callable_, wanted in ((case.pins()["fetch_certificate"], ""), (fetch, "keys_unavailable")):
        perimeter = Perimeter(
            store=stores.memory(), clock=lambda: AT, deadline=timedelta(seconds=20)
        )
        sender = providers.aws_sns(
            topic_arns=case.pins()["topic_arns"], fetch_certificate=callable_
        )
        boundary = perimeter.declare(Webhook("topic", sender))
        boundary.on(
            "Notification",
            confirm=lambda event: event.id,
            once=lambda i: i,
            link=lambda i: i,
            allow=lambda _i, _r: True,
        )(lambda _paid: None)
        code = ""
        with perimeter:
            try:
                perimeter.admit(boundary, case.sealed())
            except Refused as refused:
                code = refused.code
        assert code == wanted


def test_two_boundaries_of_one_sender_are_told_apart_by_what_is_pinned() -> None:
    """One key is everybody's: two topics are two endpoints, and one topic is one."""
    pins = CASES["aws-sns"].pins()
    other = pins["topic_arns"][0] + "2"

    def both(second: str) -> Perimeter:
        perimeter = Perimeter(store=stores.memory(), clock=lambda: AT)
        for name, topic in (("a", pins["topic_arns"][0]), ("b", second)):
            sender = providers.aws_sns(
                topic_arns=[topic], fetch_certificate=pins["fetch_certificate"]
            )
            perimeter.declare(Webhook(name, sender, scope=name)).on(
                "Notification",
                confirm=lambda event: event.id,
                once=lambda i: i,
                link=lambda i: i,
                allow=lambda _i, _r: True,
            )(lambda _paid: None)
        return perimeter

    with pytest.raises(BoundaryError, match="share a secret"), both(pins["topic_arns"][0]):
        pass
    with both(other):
        pass


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_subscription_is_handed_to_our_user_through_the_boundary(is_async: bool) -> None:
    """Once it is proven, beside the loop or on it; nothing crosses, and 2xx tells SNS so."""
    asked: list[str] = []

    async def confirm(url: str) -> None:
        asked.append(url)

    case = CASES["aws-sns"]
    pins = {**case.pins(), "confirm_subscription": confirm if is_async else asked.append}
    perimeter = Perimeter(store=stores.memory(), clock=lambda: AT)
    boundary = perimeter.declare(Webhook("topic", providers.aws_sns(**pins)))
    boundary.on(
        "Notification",
        confirm=lambda event: event.id,
        once=lambda i: i,
        link=lambda i: i,
        allow=lambda _i, _r: True,
    )(lambda _paid: None)
    url = (
        "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription"
        f"&TopicArn={TOPIC}&Token=2336412f37"
    )
    told = notification(Type="SubscriptionConfirmation", Token="2336412f37", SubscribeURL=url)
    elsewhere = told.replace(b"sns.us-east-1.amazonaws.com", b"evil.example")
    async with perimeter:
        for content, code in ((elsewhere, "ignored"), (told, "handshake")):
            with pytest.raises(Refused) as refused:
                await perimeter.aadmit(boundary, case.sealed(content))
            assert (refused.value.code, refused.value.answer) == (code, "acknowledge")
    assert asked == [url]
