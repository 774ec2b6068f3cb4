"""A view set of Django REST framework over a customer's own rows; the other views that prove."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import httpx
import pytest
from django.urls import include, path
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import DefaultRouter, SimpleRouter
from rest_framework.serializers import ModelSerializer, ValidationError
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet, ReadOnlyModelViewSet, ViewSet

from pratique import Perimeter, Proven
from pratique.client import Client, Session, SessionCookie
from pratique.core import within
from pratique.core.recorder import SAMPLES_A_MINUTE
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import called, guarded, store
from pratique.integrations.django.rest import IsProven, Owned, ProvenAuthentication
from pratique.integrations.django.session import active_user
from pratique.stores import revocations
from tests import django_site as site
from tests.django_project import Project
from tests.integrations.django.market.models import Order
from tests.integrations.django.market.site import ORIGIN, Market, may, opened
from tests.serving import served


class OrderSerializer(ModelSerializer[Order]):
    class Meta:  # noqa: D106  the framework's own form
        model = Order
        fields = ("id", "note", "price")
        read_only_fields = ("price",)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """Give the market on a database of its own."""
    with opened(tmp_path):
        Order.objects.create(id=11, owner_id=1, note="second")
        made = Market()
        yield made
        made.perimeter.close()


def view_set(market: Any) -> Any:
    """Return the orders as a view set."""

    class OrderViewSet(Owned[Order], ModelViewSet):  # type: ignore[type-arg]
        boundary, owner = market.client, Order.owner
        queryset, serializer_class = Order.objects.exclude(state="hidden"), OrderSerializer

        def perform_update(self, serializer: Any) -> None:
            serializer.save()
            if serializer.validated_data.get("note") == "refused":
                raise ValidationError("written, and then not")

        @action(detail=True, methods=["post"])
        def read(self, request: Any, pk: Any) -> Response:
            return Response({"pk": self.get_object().pk, "by": request.user.username})

    return OrderViewSet


@pytest.fixture(params=["wsgi", "asgi"])
def http(request: pytest.FixtureRequest, market: Market) -> Iterator[httpx.Client]:
    """Give a client of it, by a router."""
    router = SimpleRouter(trailing_slash=False)
    router.register("orders", view_set(market))
    project = Project([path("api/", include(router.urls))], market.perimeter)
    with served(getattr(project, request.param)()) as made:
        yield made


def test_a_foreign_row_is_not_found_by_any_method(market: Market, http: httpx.Client) -> None:
    """Read, changed, replaced, deleted: bob's, nobody's and none are the same 404; ann's own isn't (CWE-639)."""
    ann = market.login("ann")
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        content = {"json": {"note": "mine"}} if method in ("PUT", "PATCH") else {}
        for key in (20, 30, 999):
            answer = http.request(method, f"/api/orders/{key}", headers=ann, **content)
            assert (method, key, answer.status_code) == (method, key, 404)
        answer = http.request(method, "/api/orders/10", headers=ann, **content)
        assert answer.status_code == (204 if method == "DELETE" else 200)
    assert {o.pk: o.note for o in Order.objects.all()} == {11: "second", 20: "", 30: ""}


def test_a_list_is_the_callers(market: Market, http: httpx.Client) -> None:
    """And what the view set's own query set leaves out is nobody's."""
    assert [o["id"] for o in http.get("/api/orders", headers=market.login("ann")).json()] == [
        10,
        11,
    ]
    assert [o["id"] for o in http.get("/api/orders", headers=market.login("bob")).json()] == [20]
    assert http.get("/api/orders").status_code == 401
    Order.objects.filter(pk=10).update(state="hidden")
    assert [o["id"] for o in http.get("/api/orders", headers=market.login("ann")).json()] == [11]
    assert http.get("/api/orders/10", headers=market.login("ann")).status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        {"price": 1},
        {"owner": 2},
        {"owner_id": 2},
        {"note": "x", "role": "admin"},
        {"id": 99},
        b'{"note": "a", "note": "b"}',
        b"note=x",
        b"{",
    ],
)
def test_only_what_the_serializer_writes_is_taken(
    market: Market, http: httpx.Client, content: Any
) -> None:
    """Read-only, unknown, twice or no JSON: refused, where the framework alone would drop it silently (CWE-915)."""
    ann = market.login("ann") | {"content-type": "application/json"}
    if content == b"note=x":
        ann["content-type"] = "application/x-www-form-urlencoded"
    raw = (
        content
        if isinstance(content, bytes)
        else httpx.Request("P", "http://x", json=content).content
    )
    for method, place in (("PATCH", "/10"), ("PUT", "/10"), ("POST", "")):
        answer = http.request(method, f"/api/orders{place}", headers=ann, content=raw)
        assert answer.status_code in (400, 415, 422)
        assert answer.headers["content-type"] == "application/problem+json"
    assert (Order.objects.count(), Order.objects.get(pk=10).note) == (4, "")
    assert (
        http.patch(
            "/api/orders/10",
            headers=ann | {"content-type": "application/json"},
            content=b'{"note": "x"}',
        ).json()["note"]
        == "x"
    )


def test_what_a_caller_may_not_write_is_told_as_the_callers(
    market: Market, http: httpx.Client
) -> None:
    """CWE-223: no stranger's flood takes its place; what it may write is written, and told as proven."""
    ann = market.login("ann")
    for _ in range(SAMPLES_A_MINUTE + 2):
        assert http.patch("/api/orders/10", headers=ann, json={"price": 1}).status_code == 422
    told = [record.code for record in market.kept.records if record.code == "bad_content"]
    assert len(told) == SAMPLES_A_MINUTE + 2
    assert http.patch("/api/orders/10", headers=ann, json={"note": "x"}).status_code == 200


def test_a_new_row_is_the_callers(market: Market, http: httpx.Client) -> None:
    """Its owner is from our state; another site's page makes none."""
    ann = market.login("ann")
    made = http.post("/api/orders", headers=ann, json={"note": "new"})
    assert (made.status_code, Order.objects.get(pk=made.json()["id"]).owner_id) == (201, 1)  # type: ignore[attr-defined]
    evil = ann | {"origin": "https://evil.example"}
    assert http.post("/api/orders", headers=evil, json={"note": "new"}).status_code == 401
    assert Order.objects.count() == 5


def test_what_is_not_done_is_undone(market: Market, http: httpx.Client) -> None:
    """An answer that says no comes with no change; the policy judges the row of now."""
    ann = market.login("ann")
    assert http.patch("/api/orders/10", headers=ann, json={"note": "refused"}).status_code == 400
    assert Order.objects.get(pk=10).note == ""
    assert http.patch("/api/orders/10", headers=ann, json={"note": "y"}).status_code == 200
    Order.objects.filter(pk=10).update(state="shipped")
    assert http.patch("/api/orders/10", headers=ann, json={"note": "z"}).status_code == 403
    assert http.delete("/api/orders/10", headers=ann).status_code == 403


def test_an_extra_action_is_proven_too(market: Market, http: httpx.Client) -> None:
    """By its own name, on the row; OPTIONS shows nothing to nobody."""
    answer = http.post("/api/orders/10/read", headers=market.login("ann"))
    assert answer.json() == {"pk": 10, "by": "ann"}
    assert http.post("/api/orders/20/read", headers=market.login("ann")).status_code == 404
    assert http.options("/api/orders/10").status_code in (401, 405)


def test_a_view_set_that_proves_nothing_does_not_start(market: Market) -> None:
    """Without its boundary, or plain, or by another key than the proof reads; the router's own page is named too."""

    class Plain(ReadOnlyModelViewSet):  # type: ignore[type-arg]
        queryset, serializer_class = Order.objects.all(), OrderSerializer

    class Forgot(Owned[Order], ModelViewSet):  # type: ignore[type-arg]
        queryset, serializer_class = Order.objects.all(), OrderSerializer

    fine = view_set(market)

    class ByNote(fine):  # type: ignore[misc, valid-type]
        boundary = Market().client
        lookup_field = "note"

    class Behind(ModelViewSet, Owned[Order]):  # type: ignore[type-arg]
        boundary, owner = Market().client, Order.owner
        queryset, serializer_class = Order.objects.all(), OrderSerializer

    def start(view: Any, router: Any) -> None:
        router.register("orders", view)
        Project([path("", include(router.urls))], market.perimeter).wsgi()

    for view, told in (
        (Plain, "naked"),
        (Forgot, "proves nothing"),
        (ByNote, "looks rows up by note"),
        (Behind, "stands before Owned"),
    ):
        with pytest.raises(BoundaryError, match=told):
            start(view, SimpleRouter())
    with pytest.raises(BoundaryError, match="naked"):
        start(fine, DefaultRouter())  # its root lists what there is
    start(fine, SimpleRouter())


def test_a_session_is_looked_for_among_those_taken_back_inside_the_views_transaction(
    market: Market,
) -> None:
    """FRESH: a method that writes is one transaction, in which the proof asks the same database."""
    site.migrate()
    kept, now = store(), datetime.now(UTC)
    perimeter, revoked = Perimeter(store=kept), revocations(kept, lifetime=timedelta(days=1))
    identity = SessionCookie(
        "session", lambda _: Session("1", now, now), origins=[ORIGIN], revoked=revoked
    )
    boundary = Client("market", identity=identity, user=active_user, policy=may)
    perimeter.declare(boundary)
    router = SimpleRouter(trailing_slash=False)
    router.register("orders", view_set(SimpleNamespace(client=boundary)))
    sent = {"cookie": f"session={'t' * 32}", "origin": ORIGIN}
    with served(Project([path("", include(router.urls))], perimeter).wsgi()) as http:
        assert http.patch("/orders/10", json={"note": "a"}, headers=sent).status_code == 200
        revoked.revoke_before(identity.issuer, "1", at=now)
        answer = http.patch("/orders/10", json={"note": "b"}, headers=sent)
        assert (answer.status_code, Order.objects.get(id=10).note) == (401, "a")


def test_a_method_beside_the_actions_of_a_view_set_is_a_handler_too(market: Market) -> None:
    """CWE-862: the framework calls a method of the class by its name, though no action is routed to it."""
    me_of = Annotated[Proven[Any], called(market.client, "profile.read")]

    class Proves(ViewSet):
        authentication_classes = ()

        @guarded
        def list(self, _: Request, me: me_of) -> Response:
            return Response({"pk": me.value.pk})

    class Forgot(Proves):
        def delete(self, _: Request) -> Response:
            return Response({})

    def start(view: Any) -> None:
        Project([path("me", view.as_view({"get": "list"}))], market.perimeter).wsgi()

    with pytest.raises(BoundaryError, match="/me is naked"):
        start(Forgot)
    start(Proves)


def test_other_views_prove_who_calls(market: Market) -> None:
    """An authentication and a permission, together; one of them alone doesn't start. The thread keeps nothing of it."""
    inside: list[bool] = []

    class Me(APIView):
        owes = called(market.client, "profile.read")
        authentication_classes = (ProvenAuthentication,)
        permission_classes = (IsProven,)

        def get(self, request: Any) -> Response:
            inside.append(within.current() == request.auth.crossing_id)
            return Response({"name": request.user.username, "id": request.auth.value.pk})

    class Open(Me):
        permission_classes = ()

    class Other(Me):
        authentication_classes = ()

    class Nothing(Me):
        owes = None

    class Chooses(Me):
        def get_permissions(self) -> Any:
            return []

    for wrong, told in (
        (Open.as_view(), "naked"),
        (Me.as_view(permission_classes=()), "naked"),
        (Me.as_view(authentication_classes=()), "naked"),
        (Other.as_view(), "no other"),
        (Nothing.as_view(), "owes no proof"),
        (Chooses.as_view(), "chooses its permissions"),
    ):
        with pytest.raises(BoundaryError, match=told):
            Project([path("me", wrong)], market.perimeter).wsgi()
    with served(Project([path("me", Me.as_view())], market.perimeter).wsgi()) as http:
        assert http.get("/me").status_code == 401
        assert http.get("/me", headers=market.login("ann")).json() == {"name": "ann", "id": 1}
    assert (inside, within.current()) == ([True], "")


@pytest.mark.parametrize("is_behind_a_mixin", [False, True])
def test_an_override_that_asks_the_model_gets_no_foreign_row(
    market: Market, *, is_behind_a_mixin: bool
) -> None:
    """`get_queryset` and `get_object` of the user's, in the class or in one before it: the caller's rows alone."""

    class AsksTheModel:
        kwargs: Any

        def get_queryset(self) -> Any:
            return Order.objects.order_by("pk")

        def get_object(self) -> Any:
            return Order.objects.get(pk=20 if self.kwargs["pk"] == "11" else self.kwargs["pk"])

    class Behind(AsksTheModel, Owned[Order], ModelViewSet):  # type: ignore[type-arg, misc]
        boundary, owner = market.client, Order.owner
        serializer_class = OrderSerializer

    class Inside(Owned[Order], ModelViewSet):  # type: ignore[type-arg]
        boundary, owner = Market().client, Order.owner
        serializer_class = OrderSerializer
        get_queryset, get_object = AsksTheModel.get_queryset, AsksTheModel.get_object

    used: Any = Behind if is_behind_a_mixin else Inside
    router = SimpleRouter(trailing_slash=False)
    router.register("orders", used, basename="orders")
    perimeter = used.boundary.perimeter
    with served(Project([path("", include(router.urls))], perimeter).wsgi()) as http:
        ann = market.login("ann")
        assert [each["id"] for each in http.get("/orders", headers=ann).json()] == [10, 11]
        assert http.get("/orders/20", headers=ann).status_code == 404
        assert http.get("/orders/11", headers=ann).status_code == 404  # it answers with bob's
        assert http.get("/orders/10", headers=ann).json()["id"] == 10
    perimeter.close()
