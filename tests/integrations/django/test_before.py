"""What would answer before a proof is asked for is refused at the start, in a project of Django's."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import cache_page, never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET
from rest_framework.views import APIView
from rest_framework.viewsets import ModelViewSet

from pratique import Proven
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import called, guarded
from pratique.integrations.django.rest import IsProven, Owned, ProvenAuthentication
from tests.django_project import Project
from tests.integrations.django.market.models import Order
from tests.integrations.django.market.site import Market
from tests.serving import served


def remembered(view: Callable[..., Any]) -> Callable[..., Any]:
    """Stand above a view, as a cache by path does."""

    @wraps(view)
    def cached(*args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return cached


def is_refused(market: Market, view: Any, told: str) -> None:
    """Require that a project with this view doesn't start, under either handler."""
    project = Project([path("me", view)], market.perimeter)
    for made in (project.wsgi, project.asgi):
        with pytest.raises(BoundaryError, match=told):
            made()


def answers(market: Market, view: Any) -> str:
    """Return what ann is answered."""
    with served(Project([path("me", view)], market.perimeter).wsgi()) as http:
        return http.get("/me", headers=market.login("ann")).text


def views_of(market: Market) -> tuple[Any, type[View]]:
    """Return a function and a class that prove who calls."""
    me_of = Annotated[Proven[User], called(market.client, "profile.read")]

    @guarded
    def me(_: HttpRequest, me: me_of) -> HttpResponse:
        return HttpResponse(me.value.username)

    class Me(View):
        @guarded
        def get(self, _: HttpRequest, me: me_of) -> HttpResponse:
            return HttpResponse(me.value.username)

    return me, Me


@pytest.mark.parametrize("decorate", [remembered, cache_page(60)], ids=["wraps", "cache_page"])
def test_a_decorator_above_a_guard_does_not_start(
    market: Market, decorate: Callable[[Any], Any]
) -> None:
    """CWE-524: above a function, a class or a method; what hands every request on or refuses it starts."""
    me, kind = views_of(market)
    above = "stands above the view that proves"
    is_refused(market, decorate(me), above)
    is_refused(market, csrf_exempt(decorate(me)), above)
    is_refused(market, decorate(kind.as_view()), above)
    within = type("Within", (kind,), {"get": decorate(kind.get)})  # type: ignore[attr-defined]
    is_refused(market, within.as_view(), above)
    for fine in (me, kind.as_view()):
        assert answers(market, never_cache(require_GET(csrf_exempt(fine)))) == "ann"


def test_a_class_goes_no_way_around_its_guards(market: Market) -> None:
    """A dispatch or an as_view of its own could answer first; one that is guarded itself starts."""
    me, kind = views_of(market)

    def dispatch(self: Any, request: HttpRequest, *args: Any, **more: Any) -> HttpResponse:
        return HttpResponse("anybody's")

    around = type("Around", (kind,), {"dispatch": dispatch})
    is_refused(market, around.as_view(), "Around.dispatch runs before what the handlers")
    cached = method_decorator(remembered, name="dispatch")(type("Cached", (kind,), {}))
    is_refused(market, cached.as_view(), "Cached.dispatch runs before")
    made = type("Made", (kind,), {"as_view": classmethod(lambda cls: remembered(kind.as_view()))})
    is_refused(market, made.as_view(), "stands above")
    owes = called(market.client, "read")

    class Proves(View):
        @guarded
        def dispatch(self, request: HttpRequest, me: Annotated[Proven[User], owes]) -> Any:  # type: ignore[override]
            return super().dispatch(request)

        def get(self, _: HttpRequest) -> HttpResponse:
            return HttpResponse("whole")

    with served(Project([path("me", Proves.as_view())], market.perimeter).wsgi()) as http:
        assert http.get("/me").status_code == 401
    assert answers(market, Proves.as_view()) == "whole"
    assert answers(market, me) == answers(market, kind.as_view()) == "ann"


def test_a_view_set_goes_no_way_around_its_proof(market: Market) -> None:
    """Whatever leads to the proof is the framework's and ours; without an override it starts."""

    class Orders(Owned[Order], ModelViewSet[Order]):
        boundary, owner = market.client, Order.owner
        queryset = Order.objects.all()

    class Report(APIView):
        owes = called(market.client, "profile.read")
        authentication_classes = (ProvenAuthentication,)
        permission_classes = (IsProven,)

        def get(self, request: Any) -> HttpResponse:
            return HttpResponse(request.user.username)

    for name in ("dispatch", "initial", "perform_authentication"):
        wrong = type("Wrong", (Orders,), {name: lambda *_, **__: None, "boundary": None})
        view = wrong.as_view({"get": "list"})
        is_refused(market, view, f"Wrong.{name} runs before")
    for name in ("dispatch", "initial", "check_permissions", "get_authenticators"):
        wrong = type("Wrong", (Report,), {name: lambda *_, **__: None})
        is_refused(market, wrong.as_view(), f"Wrong.{name} runs before")
    assert answers(market, Report.as_view()) == "ann"
    routes = [path("orders", Orders.as_view({"delete": "list"}))]
    Project(routes, market.perimeter).wsgi()
