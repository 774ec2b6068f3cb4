"""A flow that only proves, on the thread that asks: the deadline is looked at between questions."""

import threading
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pratique import Perimeter
from pratique.client import Client, Session, SessionCookie
from pratique.core import drive_here
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import BoundaryError, Refused
from tests.client.shop import NOON, Kept


class Asked:
    """A boundary whose callables note their thread and may take their time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> None:
        self.kept, self.now, self.threads = Kept(), 0.0, list[int]()
        monkeypatch.setattr(drive_here, "monotonic", lambda: self.now)
        self.perimeter = Perimeter(
            events=self.kept, clock=lambda: NOON, deadline=timedelta(seconds=10)
        )

        def user(_: object) -> Any:
            self.threads.append(threading.get_ident())
            self.now += seconds
            return SimpleNamespace(id=1)

        session = Session(1, NOON, NOON)
        identity = SessionCookie("session", lambda _: session, origins=["https://shop.example"])
        client = Client("shop", identity=identity, user=user, policy=lambda *_: True)
        self.client = self.perimeter.declare(client)
        self.action = self.client.action("profile.read")

    def carry(self) -> Any:
        """Let one request cross."""
        fields = Fields([("Cookie", f"session={'t' * 32}")])
        claim = Claim(b"", fields, NOON, Via(method="GET"))
        return self.perimeter.carry_here(self.client, claim, self.action.flow)


def test_what_took_too_long_is_refused_and_recorded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 2: nothing is proven after the deadline; in time, it is, on this very thread."""
    late = Asked(monkeypatch, seconds=11)
    with late.perimeter, pytest.raises(Refused) as refused:
        late.carry()
    assert refused.value.code == "deadline"
    assert [record.code for record in late.kept.records] == ["deadline"]
    timely = Asked(monkeypatch, seconds=9)
    with timely.perimeter:
        assert timely.carry().value.id == 1
    assert [record.outcome for record in timely.kept.records] == ["proven"]
    assert timely.threads == [threading.get_ident()]


def test_nothing_is_carried_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by every other way to cross."""
    asked = Asked(monkeypatch, seconds=0)
    with pytest.raises(BoundaryError, match="hasn't started"):
        asked.carry()
    with asked.perimeter:
        assert asked.carry().value.id == 1
