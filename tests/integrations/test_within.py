"""The record of a fetch names the crossing of the request that it was made for."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique import Claim, Fields, Perimeter, Proven, Refused
from pratique.client import Client, Session, SessionCookie
from pratique.fetch import Fetch, FetchPolicy
from pratique.integrations import flask as for_flask
from pratique.integrations import starlette as for_starlette
from pratique.integrations.fastapi import Public, called, guard
from tests.client.shop import ORIGIN, Kept

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
ELSEWHERE = "https://elsewhere.example/"
HEADERS = {"cookie": f"session={'t' * 32}", "origin": ORIGIN}


class World:
    """A guarded API whose views fetch from a host that isn't declared: each fetch is refused, and recorded."""

    def __init__(self) -> None:
        self.kept = Kept()
        self.perimeter = Perimeter(events=self.kept, clock=lambda: NOON)
        self.previews = self.perimeter.declare(
            Fetch("previews", FetchPolicy(hosts={"img.example"}))
        )
        self.shop = self.perimeter.declare(
            Client(
                "shop",
                identity=SessionCookie(
                    "session", lambda _: Session(1, NOON, NOON), origins=[ORIGIN]
                ),
                user=self.user,
                policy=lambda *_: True,
            )
        )
        self.fetches_for_user = False
        self.app = guard(FastAPI(), self.perimeter)
        me = called(self.shop, "profile.read")
        self.me: Any = Annotated[Proven[dict[str, Any], Literal["profile.read"]], me]

    def user(self, subject: object) -> dict[str, Any]:
        if self.fetches_for_user:
            self.fetch()
        return {"id": subject}

    def fetch(self) -> None:
        with pytest.raises(Refused):
            self.previews.get(ELSEWHERE)

    async def afetch(self) -> None:
        with pytest.raises(Refused):
            await self.previews.aget(ELSEWHERE)

    def ask(self, *paths: str) -> list[str]:
        """Send requests from one task; return of each answer whom it was proven for."""

        async def send() -> list[str]:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://shop") as http:
                return [(await http.get(path, headers=HEADERS)).text for path in paths]

        return asyncio.run(send())

    def links(self) -> list[tuple[str, str]]:
        """Return boundary and `within` of each record, with ids by their place."""
        place = {record.crossing_id: f"#{n}" for n, record in enumerate(self.kept.records)}
        return [(r.boundary, place.get(r.within, r.within)) for r in self.kept.records]


def test_what_a_view_fetches_is_within_its_request() -> None:
    """EV-01: async and sync views; a public view, and whoever comes next in the same task, are within nothing."""
    world = World()

    @world.app.get("/async")
    async def afetches(who: world.me) -> None:  # type: ignore[name-defined]
        await world.afetch()

    @world.app.get("/sync")
    def fetches(who: world.me) -> None:  # type: ignore[name-defined]
        world.fetch()

    @world.app.get("/public")
    @Public("shows that nothing is proven")
    def shows() -> None:
        world.fetch()

    world.ask("/async", "/sync", "/public", "/async")
    assert world.links() == [
        ("shop", ""),
        ("previews", "#0"),
        ("shop", ""),
        ("previews", "#2"),
        ("previews", ""),
        ("shop", ""),
        ("previews", "#5"),
    ]


def test_what_a_view_of_starlette_or_flask_fetches_is_within_its_request() -> None:
    """EV-01: the same by the other doors, also where one thread serves request after request; what comes after is within nothing."""
    world = World()
    me = for_starlette.called(world.shop, "me.read")

    async def fetches(request: Request, who: Any) -> Response:
        await world.afetch()
        return Response()

    def flask_fetches(who: Any) -> str:
        world.fetch()
        return ""

    for view in (fetches, flask_fetches):
        view.__annotations__.update(who=Annotated[Proven[Any], me], request=Request)
    del flask_fetches.__annotations__["request"]
    world.app = for_starlette.guard(  # type: ignore[assignment]
        Starlette(routes=[Route("/fetch", for_starlette.guarded(fetches))]), world.perimeter
    )
    world.ask("/fetch", "/fetch")
    app = Flask("shop")
    for_flask.Pratique(world.perimeter).init_app(app)
    app.add_url_rule("/fetch", view_func=for_flask.guarded(flask_fetches))
    for _ in range(2):
        answer = app.test_client(use_cookies=False).get("/fetch", headers=HEADERS)
        assert answer.status_code == 200, answer.text
    world.fetch()
    each = [("shop", ""), ("previews", "#0")]
    assert world.links() == [
        *[(name, link.replace("0", str(2 * n))) for n in range(4) for name, link in each],
        ("previews", ""),
    ]


@pytest.mark.parametrize("deadline", ["on the loop", "on this thread"])
def test_what_a_proof_fetches_is_within_the_crossing_that_asks_it(deadline: str) -> None:
    """A callable of ours that fetches does so for the claim that is being proven; after it nothing is left behind."""
    world = World()
    world.fetches_for_user = True
    action = world.shop.action("order.list")
    claim = Claim(b"", Fields(list(HEADERS.items())), NOON)
    with world.perimeter as perimeter:
        if deadline == "on the loop":
            asyncio.run(perimeter.acarry(world.shop, claim, action.flow))
        else:
            perimeter.carry(world.shop, claim, action.flow)
        world.fetch()
    assert world.links() == [("previews", "#1"), ("shop", ""), ("previews", "")]
