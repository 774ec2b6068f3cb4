"""A partner that scores orders, and the boundary that asks it: the tests' own example."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

import msgspec

from pratique import Perimeter
from pratique.core.refusal import Refused
from pratique.partner import Partner
from tests.fetch.world import World, reply
from tests.sink import Kept

HOST = "risk.example"
KEY = "sk_live_9f8a7b6c5d4e3f2a"
ADDRESS = "93.184.215.14"
ORDER = "o_1"
HONEST: dict[str, Any] = {
    "order": ORDER,
    "score": 12,
    "verdict": "approve",
    "note": "",
    "as_of": "2026-11-24T12:00:00Z",
}


class Score(msgspec.Struct):
    """What the partner says of an order."""

    order: Annotated[str, msgspec.Meta(max_length=64)]
    score: Annotated[int, msgspec.Meta(ge=0, le=100)]
    verdict: Literal["approve", "review", "decline"]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""
    as_of: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class Risk:
    """The boundary in a perimeter, asked sync or async."""

    def __init__(self, world: World, *, is_async: bool, **made: Any) -> None:
        world.names.setdefault(HOST, [ADDRESS])
        self.world = world
        kept = Kept()
        self.records = kept.records
        clock = made.pop("clock", None)
        self.perimeter = Perimeter(events=kept, clock=clock)
        given: dict[str, Any] = {"bearer": KEY, "deadline": timedelta(seconds=5), **made}
        self.partner = self.perimeter.declare(Partner("risk", f"https://{HOST}/v1", **given))
        self.is_async = is_async

    def answers(self, content: Any = HONEST, status: int = 200, **fields: str) -> None:
        """Let the partner answer that from now on."""
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        lines = {"Content_Type": "application/json", **fields}
        self.world.server.answer = lambda _: reply(status, raw, **lines)

    def ask(self, order: str = ORDER, **terms: Any) -> Score:
        """Ask for the score of an order; Refused where it isn't believed."""
        terms.setdefault("about", {"order": order})
        terms.setdefault("answer", Score)
        answer = terms.pop("answer")
        return self._run("get", "/score", answer, params={"order": order}, **terms)

    def call(self, call: Any, **asked: Any) -> Any:
        """Ask a declared question."""

        async def work() -> Any:
            async with self.perimeter:
                return (await call.aask(**asked)).value

        if self.is_async:
            return asyncio.run(work())
        with self.perimeter:
            return call.ask(**asked).value

    def post(self, content: Any, **terms: Any) -> Any:
        """Post something, and have it answered by a score."""
        return self._run("post", "/score", Score, content=content, **terms)

    def _run(self, name: str, *args: Any, **named: Any) -> Any:
        async def work() -> Any:
            async with self.perimeter:
                return (await getattr(self.partner, f"a{name}")(*args, **named)).value

        if self.is_async:
            return asyncio.run(work())
        with self.perimeter:
            return getattr(self.partner, name)(*args, **named).value

    def refusal(self, ask: Callable[[], Any] | None = None, **terms: Any) -> Refused:
        """Return why it isn't believed."""
        try:
            found = ask() if ask is not None else self.ask(**terms)
        except Refused as refused:
            return refused
        raise AssertionError(f"it was believed: {found}")
