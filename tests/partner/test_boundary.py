"""A partner boundary owes its proofs before it starts, and says on what each of them rests."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pratique import Obligation, Perimeter, Secret, unsafe
from pratique.core.checklist import blast_radius, ten_questions
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import PUBLIC, FetchPolicy, Internal
from pratique.partner import NoSubject, Partner, Root, RootKind
from tests.fetch.world import World
from tests.partner.risk import HONEST, KEY, ORDER, Risk, Score

BASE = "https://risk.example/v1"
REGISTRY = Root(RootKind.PARTY, "registry", controller="the state")
ABOUT = {"order": "order"}


def started(**terms: Any) -> list[str]:
    """Declare one call, and return the debts with which it doesn't start."""
    perimeter = Perimeter()
    perimeter.declare(Partner("risk", BASE)).call("GET /score", Score, **terms)
    try:
        perimeter.start()
    except BoundaryError as error:
        return list(error.debts)
    perimeter.close()
    return []


def test_a_call_that_is_about_nothing_does_not_start() -> None:
    """Law 9: without about= it owes LINKED, and the mend is said; with a comparison it starts."""
    (debt,) = started()
    assert "owes LINKED" in debt
    assert "NoSubject(reason)" in debt
    assert started(about=ABOUT) == []
    assert started(about=lambda score, asked: score.order == asked["order"]) == []
    assert started(about=NoSubject("a list of all verdicts")) == []


def test_what_decides_owes_a_second_source() -> None:
    """A partner's word decides nothing alone; with our own record, or another party's word, it may."""
    (debt,) = started(about=ABOUT, decides="whether a loan is given")
    assert "owes CONFIRMED" in debt
    confirm = {"about": ABOUT, "decides": "whether a loan is given", "confirm": lambda _: True}
    assert started(**confirm) == []
    assert started(**confirm, source=REGISTRY) == []
    same = Root(RootKind.PARTY, "risk, second line", controller="risk.example")
    (debt,) = started(**confirm, source=same)
    assert "has the controller risk.example" in debt


def test_a_waiver_has_an_end() -> None:
    """Waived, it starts and says so; after its end the crossing is refused."""
    waiver = unsafe.waive(
        Obligation.LINKED,
        reason="their API names no order yet",
        owner="payments",
        until=date(2100, 1, 1),
        bound="1,000 EUR a day",
    )
    perimeter = Perimeter()
    partner = perimeter.declare(Partner("risk", BASE, waivers=[waiver]))
    partner.call("GET /score", Score)
    assert perimeter.debts() == []


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"as_of": lambda s: s.as_of}, "come together"),
        ({"max_age": timedelta(days=1)}, "come together"),
        ({"as_of": lambda s: s.as_of, "max_age": timedelta(0)}, "not above zero"),
        ({"about": {}}, "compares nothing"),
        ({"about": NoSubject(" ")}, "no reason"),
        ({"limits": lambda: True}, "positional arguments"),
        ({"about": lambda: True}, "positional arguments"),
    ],
)
def test_terms_that_are_none_are_refused_at_once(terms: dict[str, Any], said: str) -> None:
    """A mistake of ours is named where it is written."""
    with pytest.raises(BoundaryError, match=said):
        Partner("risk", BASE).call("GET /score", Score, **{"about": ABOUT, **terms})


async def _slow(_: object) -> bool:
    return True


def test_only_the_second_source_may_wait() -> None:
    """An async limit would be a coroutine, and so true: refused. An async confirm is awaited."""
    with pytest.raises(BoundaryError, match="may not wait"):
        Partner("risk", BASE).call("GET /score", Score, about=ABOUT, limits=_slow)  # type: ignore[arg-type]
    assert started(about=ABOUT, confirm=_slow) == []


@pytest.mark.parametrize(
    "where", ["/score", "FETCH /score", "GET score", "GET /a/../b", "GET /a?b=1", "GET //evil/x"]
)
def test_a_question_is_a_method_and_a_path_of_ours(where: str) -> None:
    """No other method, no query, no dots: a path with a user's text in it is refused at once."""
    with pytest.raises(BoundaryError):
        Partner("risk", BASE).call(where, Score, about=ABOUT)
    assert Partner("risk", BASE).call("GET /a/{b}", Score, about=ABOUT).name == "GET /a/{b}"


def test_a_bearer_is_never_sent_where_anybody_reads_it() -> None:
    """CWE-319: over http it isn't declared, but to this machine itself; without a bearer http may be."""

    def debts(host: str, network: str, bearer: str | None) -> list[str]:
        way = Internal(host, network, 80, "the partner's box in our rack")
        policy = FetchPolicy(hosts={"elsewhere.example"}, schemes={"http"}, internal=[way])
        perimeter = Perimeter()
        try:
            risk = Partner("risk", f"http://{host}", bearer=bearer, policy=policy)
        except BoundaryError as error:
            return list(error.debts)
        perimeter.declare(risk).call("GET /score", Score, about=ABOUT)
        return perimeter.debts()

    key = "k-7Hq2vXb9TzLkP4mWcR1s"
    (said,) = debts("risk.corp.example", "10.0.0.0/8", key)
    assert "over http" in said
    assert key not in said
    assert debts("risk.corp.example", "10.0.0.0/8", None) == []
    assert debts("localhost", "127.0.0.0/8", key) == []


@pytest.mark.parametrize(
    ("base", "given"),
    [
        ("http://risk.example", {}),
        ("risk.example", {}),
        ("https://", {}),
        ("https://user:pass@risk.example", {}),
        ("https://risk.example/?a=b", {}),
        ("https://169.254.169.254/", {}),
        ("https://risk.example:99999", {}),
        (BASE, {"policy": FetchPolicy(hosts={"other.example"})}),
        (BASE, {"policy": FetchPolicy(hosts=PUBLIC), "deadline": timedelta(seconds=1)}),
        (BASE, {"deadline": timedelta(0)}),
    ],
)
def test_a_base_that_leads_nowhere_is_refused(base: str, given: dict[str, Any]) -> None:
    """No TLS, no host, another host than the policy's, two deadlines: refused where it is written."""
    with pytest.raises(BoundaryError):
        Partner("risk", base, **given)


def test_a_weak_or_missing_credential_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read at start, never at import; an optional one that is unset turns the boundary off."""
    for bearer in ("changeme", Secret.env("RISK_KEY")):
        perimeter = Perimeter()
        perimeter.declare(Partner("risk", BASE, bearer=bearer))
        assert len(perimeter.debts()) == 1
    perimeter = Perimeter()
    partner = perimeter.declare(Partner("risk", BASE, bearer=Secret.optional("RISK_KEY")))
    with perimeter, pytest.raises(Refused, match="off") as refused:
        partner.get("/score", Score, about={"order": ORDER})
    assert refused.value.code == "partner_off"
    monkeypatch.setenv("RISK_KEY", KEY)
    assert perimeter.debts() == []
    assert not partner.is_disabled


def test_nothing_is_asked_before_the_start(world: World) -> None:
    """Undeclared, or not started: a mistake of ours, and nothing goes out."""
    with pytest.raises(BoundaryError, match="hasn't started"):
        Partner("risk", BASE).get("/score", Score, about={"order": ORDER})
    risk = Risk(world, is_async=False)
    with pytest.raises(BoundaryError, match="hasn't started"):
        risk.partner.get("/score", Score, about={"order": ORDER})
    assert world.server.seen == []
    with risk.perimeter, pytest.raises(BoundaryError, match="after the start"):
        risk.partner.call("GET /other", Score, about=ABOUT)
    with pytest.raises(BoundaryError, match="another perimeter"):
        Perimeter().declare(risk.partner)


def test_what_decides_is_declared(world: World) -> None:
    """Asked in place, nothing is decided: the start couldn't have seen whether it is confirmed."""
    risk = Risk(world, is_async=False)
    with pytest.raises(BoundaryError, match="declare it"):
        risk.ask(decides="a loan", confirm=lambda _: True)


def test_the_blast_radius_names_the_partner() -> None:
    """Its owner invents answers alone, until a second source of another controller must say so too."""
    partner = Partner("risk", BASE)
    partner.call("GET /score", Score, about=ABOUT)
    assert dict(blast_radius(partner))["party:risk.example"].startswith("invent")
    confirmed = Partner("risk", BASE)
    confirmed.call(
        "GET /score", Score, about=ABOUT, decides="x", confirm=lambda _: True, source=REGISTRY
    )
    declared = confirmed.declarations()[0]
    assert "an echo shows which question it answers" in declared.facts["about"]
    assert declared.facts["unbounded"] == "every field has its bounds"
    answered = ten_questions(confirmed)
    assert len(answered) == 10
    assert "risk.example" in answered[1].text


def test_in_place_and_declared_ask_the_same(world: World) -> None:
    """One question, two ways to write it: the same answer, the same proofs."""
    risk = Risk(world, is_async=False, clock=lambda: datetime(2026, 11, 24, tzinfo=UTC))
    call = risk.partner.call("GET /score", Score, about=ABOUT)
    risk.answers()
    assert risk.call(call, params={"order": ORDER}) == risk.ask()
    assert risk.records[0].proofs == risk.records[1].proofs
    assert risk.records[0].declaration == risk.records[1].declaration


def test_an_id_of_another_kind_is_told_as_that(world: World) -> None:
    """Our 7 and their "7" aren't the same, and the refusal says why; asked as text it is proven."""
    risk = Risk(world, is_async=False)
    risk.answers({**HONEST, "order": "7"})
    wrong: Any = 7
    assert str(risk.refusal(order=wrong)).count("int was asked, str was answered") == 1
    assert risk.ask("7").order == "7"
