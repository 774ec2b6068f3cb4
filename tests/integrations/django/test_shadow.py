"""A boundary taken into an old project: the old views answer, what it would do is recorded."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.test import RequestFactory
from django.urls import path
from django.views import View

from pratique import Proven, unsafe
from pratique.core.event import Outcome
from pratique.core.refusal import BoundaryError
from pratique.core.route import RouteState
from pratique.integrations.django import Public, guarded, owned, shadow
from pratique.integrations.django.request import claim_to_look_at, hold
from pratique.integrations.django.settings import declared, described_by
from tests.django_project import Project
from tests.integrations.django.market.models import Order
from tests.integrations.django.market.site import ORIGIN, Market, opened
from tests.serving import served

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
UNTIL = NOON.date() + timedelta(days=30)
CAP = 1 << 20


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""


class Old:
    """The market as it was: any order for anybody, with a boundary that observes beside it."""

    def __init__(self, *, observes: bool = True) -> None:
        self.now = NOON
        observe = unsafe.observe(until=UNTIL, reason="old market", owner="market team")
        self.market = Market(observe=observe if observes else None, clock=lambda: self.now)
        client = self.market.client
        read = shadow(owned(client, Order.owner, "read"))
        update = shadow(owned(client, Order.owner, "update", content=Note))

        @guarded
        def show(_: HttpRequest, order_id: int, __: Annotated[None, read]) -> HttpResponse:
            assert __ is None
            return JsonResponse({"id": order_id})

        class Length(View):
            @guarded
            def put(self, request: HttpRequest, _: Annotated[None, update]) -> HttpResponse:
                assert not connection.in_atomic_block  # what is judged has its own, and it is over
                return JsonResponse({"length": len(request.body)})

            @guarded
            def post(
                self, request: HttpRequest, order_id: int, _: Annotated[None, update]
            ) -> HttpResponse:
                Order.objects.filter(pk=order_id).update(note=request.POST["note"])
                return JsonResponse({"note": request.POST["note"]})

        @Public("a token for a form")
        def token(request: HttpRequest) -> HttpResponse:
            return HttpResponse(get_token(request))

        routes = [
            path("orders/<int:order_id>", show),
            path("orders/<int:order_id>/note", Length.as_view()),
            path("token", token),
        ]
        self.project = Project(routes, self.market.perimeter, CSRF_TRUSTED_ORIGINS=[ORIGIN])

    def outcomes(self) -> list[tuple[Outcome, str]]:
        """Return how each crossing ended."""
        told = [each for each in self.market.kept.records if each.outcome is not Outcome.WARNED]
        return [(each.outcome, each.code) for each in told]


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Old]:
    """Give the old market on a database of its own."""
    with opened(tmp_path):
        made = Old()
        yield made
        made.market.perimeter.close()


@pytest.fixture(params=["wsgi", "asgi"])
def http(request: pytest.FixtureRequest, old: Old) -> Iterator[httpx.Client]:
    """Give a client of it."""
    project = old.project
    with served(project.asgi() if request.param == "asgi" else project.wsgi()) as made:
        yield made


def fields(http: httpx.Client, name: str) -> dict[str, str]:
    """Return what somebody's browser sends with a form: the session, and Django's token."""
    token = http.get("/token").text
    secret = http.cookies["csrftoken"]
    session = Market.login(name)
    return {**session, "cookie": f"{session['cookie']}; csrftoken={secret}", "x-csrftoken": token}


def test_the_old_view_answers_whatever_comes_of_the_proof_until_the_end(
    old: Old, http: httpx.Client
) -> None:
    """Own, foreign, nobody's: all three are answered and told apart; then it enforces, and admits the own."""
    ann = Market.login("ann")
    for sent, order in ((ann, 10), (ann, 20), ({}, 10)):
        assert http.get(f"/orders/{order}", headers=sent).json() == {"id": order}
    assert old.outcomes() == [
        (Outcome.WOULD_ADMIT, "observed"),
        (Outcome.WOULD_REFUSE, "not_found"),
        (Outcome.WOULD_REFUSE, "no_session"),
    ]
    old.now = datetime.combine(UNTIL, NOON.time(), UTC)
    told = [http.get(f"/orders/{key}", headers=ann).status_code for key in (20, 10)]
    assert [*told, http.get("/orders/10").status_code] == [404, 200, 401]


def test_the_view_finds_the_content_where_it_was(old: Old, http: httpx.Client) -> None:
    """Also content that is more than the boundary would take, which is recorded."""
    ann = {**fields(http, "ann"), "content-type": "application/json"}
    for content in (b'{"note": "ring"}', b"x" * (CAP + 1)):
        answer = http.put("/orders/10/note", headers=ann, content=content)
        assert answer.json()["length"] == len(content)
    assert old.outcomes() == [
        (Outcome.WOULD_ADMIT, "observed"),
        (Outcome.WOULD_REFUSE, "too_large"),
    ]


def test_a_content_that_is_cut_off_is_left_as_it_came(old: Old) -> None:
    """What was read of it stands before the view again, and the view fails as it did without us; a whole one is whole."""
    project = old.project
    project.wsgi()  # which starts the perimeter
    for content, length in ((b'{"note": "ring"}', 16), (b'{"note"', 16)):
        environ = RequestFactory().put("/orders/10/note", content, "application/json").environ
        environ |= {"CONTENT_LENGTH": str(length), "wsgi.input": BytesIO(content)}
        with project.settings():
            request: Any = WSGIRequest(environ)
            hold(request, old.market.perimeter)
            held, claim = claim_to_look_at(request, old.market.client, CAP)
            assert held.perimeter is old.market.perimeter
            assert (claim is None) == (len(content) < length)
            assert request.read() == content
    assert [code for _, code in old.outcomes()] == ["cut_off"]


def test_a_form_still_owes_its_token(old: Old, http: httpx.Client) -> None:
    """CWE-352: on which the old view rests; with it the form is written, and judged where it can be."""
    ann, place = fields(http, "ann"), "/orders/20/note"
    bare = {name: value for name, value in ann.items() if name != "x-csrftoken"}
    assert http.post(place, headers=bare, data={"note": "x"}).status_code == 403
    assert old.outcomes() == []
    token = ann["x-csrftoken"]
    form = {"note": "plain", "csrfmiddlewaretoken": token}
    assert http.post(place, headers=bare, data=form).json() == {"note": "plain"}
    more = {"note": "with files", "csrfmiddlewaretoken": token}
    files = {"file": b"x"}
    assert http.post(place, headers=bare, data=more, files=files).json() == {"note": "with files"}
    assert Order.objects.get(pk=20).note == "with files"
    assert old.outcomes() == [
        (Outcome.WOULD_REFUSE, "content_type"),
        (Outcome.WOULD_REFUSE, "content_gone"),
    ]


def test_a_shadowed_route_is_legacy_and_never_guarded(old: Old) -> None:
    """What the lock and the report say of it; it needs no line in a lock to start."""
    with old.project.settings():
        routes = [r for r in described_by(declared()).routes() if r.path.startswith("/orders")]
    assert {route.state for route in routes} == {RouteState.LEGACY}
    assert f"observed until {UNTIL} by market order.read" in {route.named for route in routes}


def test_a_shadow_of_what_enforces_is_a_debt(tmp_path: Path) -> None:
    """And so is a view that is owed a Proven of what observes; the twin starts."""
    with opened(tmp_path):
        with pytest.raises(BoundaryError, match="hands the view nothing"):
            Old(observes=False).project.wsgi()
        old = Old()

        @guarded
        def show(
            _: HttpRequest,
            order: Annotated[Proven[Order], owned(old.market.client, Order.owner, "see")],
        ) -> Any: ...

        with pytest.raises(BoundaryError, match="Let it shadow"):
            Project([path("orders/<int:order_id>", show)], old.market.perimeter).wsgi()
        old.project.wsgi()
        old.market.perimeter.close()


def test_an_async_view_shadows_no_lock(old: Old) -> None:
    """Django has no transaction on a loop, for what is only judged neither; one that reads is judged."""
    locks = owned(old.market.client, Order.owner, "close", lock=True)
    reads = owned(old.market.client, Order.owner, "see")

    async def close(_: HttpRequest, __: Annotated[None, shadow(locks)]) -> Any: ...

    async def see(_: HttpRequest, order_id: int, __: Annotated[None, shadow(reads)]) -> Any:
        return JsonResponse({"id": order_id})

    with pytest.raises(BoundaryError, match="none for an async view"):
        guarded(close)
    project = Project([path("orders/<int:order_id>", guarded(see))], old.market.perimeter)
    with served(project.asgi()) as http:
        assert http.get("/orders/20", headers=Market.login("ann")).json() == {"id": 20}
    assert old.outcomes() == [(Outcome.WOULD_REFUSE, "not_found")]
