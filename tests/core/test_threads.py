"""Threads that hang: a boundary is left its own, is told at once when none is left, and no other notices."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

import pytest

from pratique import Claim, Fields, Perimeter, Refused
from pratique.client import Client, Session, SessionCookie
from pratique.core.action import Action
from pratique.core.threads import POOL_THREADS
from tests.client.shop import NOON, ORIGIN

TOKEN = "t" * 32
CLAIM = Claim(b"", Fields([("Cookie", f"session={TOKEN}"), ("Origin", ORIGIN)]), NOON)
Cross = Callable[[Action], Any]


class World:
    """Two boundaries of one perimeter; the user of the first can't be loaded until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.hangs, self.asked = Event(), True, 0
        self.perimeter = Perimeter(deadline=timedelta(milliseconds=30), clock=lambda: NOON)
        self.stuck, self.well = (
            self.perimeter.declare(
                Client(
                    name,
                    identity=SessionCookie("session", load, origins=[ORIGIN]),
                    user=user,
                    policy=lambda *_: True,
                )
            ).action("profile.read")
            for name, user in (("stuck", self.user), ("well", lambda subject: {"id": subject}))
        )

    def user(self, subject: object) -> object:
        self.asked += 1
        if self.hangs:
            self.let_go.wait(60)
        return {"id": subject}

    def cross(self, action: Action) -> Any:
        """Let one request cross, on this thread."""
        return self.perimeter.carry(action.boundary, CLAIM, action.flow)

    def across(self, action: Action) -> Any:
        """Do the same on a loop."""
        return asyncio.run(self.perimeter.acarry(action.boundary, CLAIM, action.flow))


def load(_: str) -> Session:
    """Return a session of user 1."""
    return Session(1, NOON, NOON)


def refusal(cross: Cross, action: Action) -> tuple[str, int]:
    """Return the code and status with which a request is refused."""
    with pytest.raises(Refused) as refused:
        cross(action)
    assert refused.value.crossing_id
    return refused.value.code, refused.value.status


def soon(cross: Cross, action: Action) -> object:
    """Return what crosses, tried again while it is asked to retry: threads come back when they can."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            return cross(action).value
        except Refused as again:
            assert again.answer == "retry"  # noqa: PT017  each try may be refused
    raise AssertionError("it never crossed")


@pytest.mark.parametrize("way", ["cross", "across"])
def test_what_hangs_takes_the_threads_of_its_boundary_alone(way: str) -> None:
    """CWE-400, CWE-833: past its share it is refused at once and asks nothing more; another boundary goes on, and so does this one once the threads are back."""
    world = World()
    cross: Cross = getattr(world, way)
    with world.perimeter:
        try:
            codes = set[tuple[str, int]]()
            while world.asked < POOL_THREADS:  # on a busy machine one ends before it has a thread
                codes.add(refusal(cross, world.stuck))
            assert codes == {("deadline", 503)}
            assert refusal(cross, world.stuck) == ("no_thread", 503)
            assert world.asked == POOL_THREADS
            assert soon(cross, world.well) == {"id": 1}
        finally:
            world.hangs = False
            world.let_go.set()
        assert soon(cross, world.stuck) == {"id": 1}
