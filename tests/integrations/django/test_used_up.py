"""What is used up to come in stays used, whatever becomes of the view: DPoP with Django's own store."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import msgspec
import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import ModelSerializer
from rest_framework.viewsets import ModelViewSet

from pratique import Proven
from pratique.client import Change, DPoPToken
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import called, guarded, owned, store
from pratique.integrations.django.rest import Owned
from tests import django_site as site
from tests.client.test_bearer import token as minted
from tests.client.test_dpop import CLIENT, POLICY
from tests.django_project import Project
from tests.integrations.django.market.models import Order
from tests.integrations.django.market.site import Market, opened
from tests.proofs_of_possession import API, NOON
from tests.serving import served

TOKEN = minted(sub="1", cnf={"jkt": CLIENT.jkt})


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """Give the market with a store of Django's, for clients with a key of their own."""
    with opened(tmp_path):
        site.migrate(with_shop=False)
        made = Market(DPoPToken(POLICY, origin=API), store=store(), clock=lambda: NOON)
        yield made
        made.perimeter.close()


def change_of(market: Market, **more: Any) -> Any:
    """Return a view that writes a note in the transaction that holds the row's lock."""
    update = owned(market.client, Order.owner, "update", content=Note, **more)

    @guarded
    def change(_: HttpRequest, asked: Annotated[Proven[Change[Order, Note]], update]) -> Any:
        assert connection.in_atomic_block
        asked.value.object.note = asked.value.content.note
        asked.value.object.save()
        if asked.value.content.note == "fails":
            raise ValueError
        return HttpResponse()

    return change


def fields(method: str, place: str) -> dict[str, str]:
    """Return what a client with a key of its own sends with one request."""
    proof = CLIENT.proof(TOKEN, method=method, url=f"{API}{place}")
    return {"authorization": f"DPoP {TOKEN}", "dpop": proof}


def notes() -> list[str]:
    """Return what stands on every order."""
    return [order.note for order in Order.objects.order_by("pk")]


def test_a_proof_of_a_view_that_locks_a_row_works_once(market: Market) -> None:
    """It is used up before the view's transaction begins, so that a view that rolls back doesn't free it (CWE-294); a new proof is admitted."""
    routes = [path("orders/<int:order_id>/note", change_of(market))]
    project = Project(routes, market.perimeter, DEBUG_PROPAGATE_EXCEPTIONS=False)
    place = "/orders/10/note"

    def send(http: httpx.Client, shown: dict[str, str], note: str) -> int:
        return http.post(place, headers=shown, json={"note": note}).status_code

    with served(project.wsgi()) as http:
        once, failing = fields("POST", place), fields("POST", place)
        assert [send(http, once, note) for note in ("ring", "bell")] == [200, 401]
        assert notes() == ["ring", "", ""]
        assert [send(http, failing, note) for note in ("fails", "bell")] == [500, 401]
        assert market.kept.records[-1].code == "replayed_proof"
        assert notes() == ["ring", "", ""]
        assert send(http, fields("POST", place), "bell") == 200
    assert notes() == ["bell", "", ""]


def test_a_view_with_two_locked_rows_takes_one_proof(market: Market) -> None:
    """The second one is asked within the first one's transaction, of a request that came once."""
    first = owned(market.client, Order.owner, "update", lock=True, key="first")
    second = owned(market.client, Order.owner, "delete", lock=True, key="second")

    @guarded
    def swap(
        _: HttpRequest, one: Annotated[Proven[Order], first], two: Annotated[Proven[Order], second]
    ) -> HttpResponse:
        return HttpResponse(f"{one.value.pk} {two.value.pk}")

    project = Project([path("swap/<int:first>/<int:second>", swap)], market.perimeter)
    with served(project.wsgi()) as http:
        shown = fields("POST", "/swap/10/10")
        assert http.post("/swap/10/10", headers=shown).text == "10 10"
        assert http.post("/swap/10/10", headers=shown).status_code == 401
        other = fields("POST", "/swap/10/20")
        assert http.post("/swap/10/20", headers=other).status_code == 404


def test_a_view_set_takes_a_proof_once(market: Market) -> None:
    """Its transaction begins with the row, too: what is answered 4xx is undone, the proof isn't."""

    class OrderSerializer(ModelSerializer[Order]):
        class Meta:
            model = Order
            fields = ("id", "note")

    class OrderViewSet(Owned[Order], ModelViewSet[Order]):
        boundary, owner = market.client, Order.owner
        queryset, serializer_class = Order.objects.all(), OrderSerializer

    router = SimpleRouter()
    router.register("orders", OrderViewSet)
    project = Project(router.urls, market.perimeter)
    place = "/orders/10/"
    with served(project.wsgi()) as http:
        shown = fields("PATCH", place)
        told = [http.patch(place, headers=shown, json={"note": n}) for n in ("ring", "bell")]
        assert [answer.status_code for answer in told] == [200, 401]
        refused = fields("PATCH", place)
        told = [http.patch(place, headers=refused, json={"note": n}) for n in ("x" * 999, "bell")]
        assert [answer.status_code for answer in told] == [400, 401]
        assert notes() == ["ring", "", ""]
        made = http.post("/orders/", headers=fields("POST", "/orders/"), json={"note": "new"})
        assert made.status_code == 201
    assert notes()[-1] == "new"


def test_a_transaction_around_the_proof_is_refused_at_the_start(tmp_path: Path) -> None:
    """With ATOMIC_REQUESTS the proof would be freed by a rollback: the start says so; a view outside of it is let in, and so is one whose identity uses nothing up."""
    atomic = site.sqlite(tmp_path / "atomic.db", ATOMIC_REQUESTS=True)
    with opened(tmp_path), site.databases(default=atomic):
        site.migrate(with_shop=False)
        mine = Market(DPoPToken(POLICY, origin=API), store=store(), clock=lambda: NOON)
        change = change_of(mine)
        routes = [path("orders/<int:order_id>/note", change)]
        with pytest.raises(BoundaryError, match="ATOMIC_REQUESTS opens a transaction"):
            Project(routes, mine.perimeter).wsgi()
        outside = transaction.non_atomic_requests(change)
        Project([path("orders/<int:order_id>/note", outside)], mine.perimeter).wsgi()
        mine.perimeter.close()
        cookie = Market(store=store(), clock=lambda: NOON)

        @guarded
        def me(_: HttpRequest, who: Annotated[Proven[Any], called(cookie.client, "me")]) -> Any:
            return HttpResponse()

        Project([path("me", me)], cookie.perimeter).wsgi()
        cookie.perimeter.close()
