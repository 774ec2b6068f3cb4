"""Break-glass at a client boundary: the policy isn't asked for some hours, and everything else is."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Perimeter, Refused
from pratique.client import Client, Session, SessionCookie
from pratique.core.break_glass import VARIABLE
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import BoundaryError
from tests.client.shop import NOON, ORIGIN
from tests.shop import plain_sqlite3
from tests.sink import Kept

END = NOON + timedelta(hours=3)
GOOD = f"shop:allowed:INC-112:{END.isoformat()}"
OWN, FOREIGN = "own", "foreign"
ANN = (("Cookie", f"session={'t' * 32}"), ("Origin", ORIGIN))


class Shop:
    """A shop whose policy and states allow nothing, which notes that it was asked."""

    def __init__(self, folder: Path) -> None:
        self.kept, self.now, self.asked = Kept(), NOON, list[str]()
        store = plain_sqlite3(folder / "shop.db").perimeter.store
        self.perimeter = Perimeter(store, events=self.kept, clock=lambda: self.now)
        self.client = self.perimeter.declare(
            Client(
                "shop",
                identity=SessionCookie(
                    "session", lambda _: Session(1, self.now, self.now), origins=[ORIGIN]
                ),
                user=lambda subject: subject,
                policy=lambda *_: self.says_no("policy"),
            )
        )
        find = lambda _, key: key if key == OWN else None  # noqa: E731
        self.read = self.client.action("order.read", find=find, read_key=str)
        self.redeem = self.client.once(
            "coupon.redeem",
            key=lambda asked: asked.key,
            link=find,
            read_key=str,
            allow=lambda *_: self.says_no("allow"),
        )(lambda _: None)

    def says_no(self, who: str) -> bool:
        """Note who was asked."""
        self.asked.append(who)
        return False

    def carry(self, key: str = OWN, fields: Any = ANN, *, on_the_loop: bool = False) -> Any:
        """Ask for an order; what is proven, or the code."""
        claim = Claim(b"", Fields(fields), self.now, Via(method="GET"))

        def flow_of(crossing: Any) -> Any:
            return self.read.flow(crossing, key=key)

        return self._told(
            lambda: (
                (
                    asyncio.run(self.perimeter.acarry(self.client, claim, flow_of))
                    if on_the_loop
                    else self.perimeter.carry(self.client, claim, flow_of)
                ).value
            )
        )

    def perform(self, key: str = OWN) -> Any:
        """Ask for what happens once; its answer, or the code."""
        claim = Claim(b"", Fields(ANN), self.now, Via(method="POST"))
        return self._told(
            lambda: (
                self.perimeter.perform(
                    self.client, claim, lambda crossing: self.redeem.flow(crossing, key=key)
                ).content
            )
        )

    @staticmethod
    def _told(ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Refused as refused:
            return refused.code


@pytest.mark.parametrize("on_the_loop", [False, True], ids=["sync", "loop"])
def test_the_policy_is_not_asked_until_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_the_loop: bool
) -> None:
    """What is a user's own is admitted under the incident's id; before and after, the policy's no holds."""
    shop = Shop(tmp_path)
    with shop.perimeter:
        assert shop.carry(on_the_loop=on_the_loop) == "not_allowed"
    shop.asked.clear()
    monkeypatch.setenv(VARIABLE, GOOD)
    with shop.perimeter:
        assert shop.carry(on_the_loop=on_the_loop) == OWN
        assert shop.asked == []
        under = shop.kept.records[-1]
        assert (under.incident, "allowed" in under.proofs) == ("INC-112", False)
        shop.now = END
        assert shop.carry(on_the_loop=on_the_loop) == "not_allowed"
        assert shop.kept.records[-1].incident == ""


def test_everything_else_is_still_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's session and another's object stay outside; the caller's own is admitted."""
    monkeypatch.setenv(VARIABLE, GOOD)
    shop = Shop(tmp_path)
    with shop.perimeter:
        assert shop.carry(fields=()) == "no_session"
        assert shop.carry(fields=(("Cookie", "session=short"),)) == "no_session"
        assert shop.carry(FOREIGN) == "not_found"
        assert shop.carry() == OWN


def test_what_happens_once_still_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the policy nor the object's state is asked, and the business key is; after the end both say no."""
    monkeypatch.setenv(VARIABLE, GOOD)
    shop = Shop(tmp_path)
    with shop.perimeter:
        assert [shop.perform(), shop.perform(), shop.perform(FOREIGN)] == [
            b"{}",
            "already_applied",
            "not_found",
        ]
        assert shop.asked == []
        shop.now = END
        assert shop.perform() == "not_allowed"
        assert shop.asked == ["policy"]


@pytest.mark.parametrize("obligation", ["linked", "fresh", "valid", "authentic"])
def test_nothing_but_the_policy_can_be_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obligation: str
) -> None:
    """Whose object it is, how old the session is and who calls are never let go; `allowed` is."""
    monkeypatch.setenv(VARIABLE, GOOD.replace("allowed", obligation))
    shop = Shop(tmp_path)
    with pytest.raises(BoundaryError, match=VARIABLE):
        shop.perimeter.start()
    monkeypatch.setenv(VARIABLE, GOOD)
    with shop.perimeter:
        assert shop.carry() == OWN
