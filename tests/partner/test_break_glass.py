"""Break-glass at a partner boundary: the second source isn't asked for some hours, and the rest is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique.core.break_glass import VARIABLE
from pratique.core.refusal import BoundaryError
from tests.fetch.world import World
from tests.partner.risk import HONEST, ORDER, Risk, Score
from tests.partner.test_boundary import ABOUT, REGISTRY

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
END = NOON + timedelta(hours=3)
GOOD = f"risk:confirmed:INC-112:{END.isoformat()}"


class Deciding:
    """A question whose answer decides something, and a registry that never says so too."""

    def __init__(self, world: World, *, is_async: bool = False) -> None:
        self.now, self.asked = NOON, list[object]()
        self.risk = Risk(world, is_async=is_async, clock=lambda: self.now)
        self.risk.answers()
        self.question = self.risk.partner.call(
            "GET /score", Score, about=ABOUT, decides="a loan", confirm=self.no, source=REGISTRY
        )

    def no(self, answer: Score) -> bool:
        """Be the second source."""
        self.asked.append(answer.order)
        return False

    def ask(self) -> Any:
        """Ask; the answer."""
        return self.risk.call(self.question, params={"order": ORDER})

    def code(self) -> str:
        """Ask; why it isn't believed."""
        return self.risk.refusal(self.ask).code


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "loop"])
def test_the_second_source_is_not_asked_until_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    """The answer is believed under the incident's id; before and after, what isn't confirmed is refused."""
    before = Deciding(world, is_async=is_async)
    assert before.code() == "not_confirmed"
    monkeypatch.setenv(VARIABLE, GOOD)
    deciding = Deciding(world, is_async=is_async)
    assert deciding.ask().order == ORDER
    assert deciding.asked == []
    under = [each for each in deciding.risk.records if each.boundary == "risk"][-1]
    assert (under.incident, "confirmed" in under.proofs) == ("INC-112", False)
    deciding.now = END
    assert deciding.code() == "not_confirmed"
    assert deciding.asked == [ORDER]


def test_everything_else_is_still_owed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer about another order and one out of its bounds are refused; the honest one is believed."""
    monkeypatch.setenv(VARIABLE, GOOD)
    deciding = Deciding(world)
    for wrong in ({"order": "o_2"}, {"score": 101}):
        deciding.risk.answers({**HONEST, **wrong})
        assert deciding.code()
    deciding.risk.answers()
    assert deciding.ask().order == ORDER


@pytest.mark.parametrize("obligation", ["linked", "allowed", "valid", "authentic"])
def test_nothing_but_the_second_source_can_be_left_out(
    world: World, monkeypatch: pytest.MonkeyPatch, obligation: str
) -> None:
    """What the answer is about, its limits and its types are never let go; `confirmed` is."""
    monkeypatch.setenv(VARIABLE, GOOD.replace("confirmed", obligation))
    with pytest.raises(BoundaryError, match=VARIABLE):
        Deciding(world).ask()
    monkeypatch.setenv(VARIABLE, GOOD)
    assert Deciding(world).ask().order == ORDER
