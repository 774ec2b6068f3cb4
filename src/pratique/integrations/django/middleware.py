"""The guard around a Django project: nothing reaches a view before the perimeter has started."""

import asyncio
from collections.abc import Callable
from inspect import iscoroutinefunction
from threading import Lock
from typing import Any, ClassVar

from asgiref.sync import markcoroutinefunction
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from pratique.core import within
from pratique.core.closing import store_refusal
from pratique.core.forks import renew_after_fork
from pratique.core.refusal import BoundaryError, Refused, StoreError
from pratique.integrations.described import RouteWatch
from pratique.integrations.reply import refusal

from .edge import DjangoEdge
from .request import hold, response_of
from .settings import declared, described_by, order_debts
from .threads import watch_threads
from .views import ON_THE_LOOP
from .walk import proves_method


class Guard:
    """The first middleware of a project.

        MIDDLEWARE = ["pratique.integrations.django.Guard", …]
        PRATIQUE = {"PERIMETER": "shop.boundaries.perimeter"}

    Where a debt is open, it isn't made, and the project doesn't start: under every server, and in
    every test client. A refusal that a view lets through is answered with its problem details.

    Args:
        get_response: The rest of the project.

    Raises:
        BoundaryError: with every debt at once: of the perimeter, the routes, the settings.
        StoreError: the store doesn't answer.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._next = get_response
        self._declared = declared()
        self._perimeter = perimeter = self._declared.perimeter
        debts = [*order_debts(), *self._declared.debts()]
        if not perimeter.is_started:
            debts = [*perimeter.debts(), *debts]
        if debts:
            raise BoundaryError(*debts)
        if not any(isinstance(each, RouteWatch) for each in perimeter.watchers):
            perimeter.attach(RouteWatch(described_by(self._declared)))
        self._known: set[object] = {None}
        """The URLconfs that were walked; None is the project's own."""
        self._starting = Lock()
        renew_after_fork(self, _starting=Lock)
        self._edge: DjangoEdge | None = None
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
            self.process_view: Callable[..., Any] = self._aprocess_view
        else:
            self.process_view = self._process_view
        for alias in connections:
            watch_threads(alias)
        if not _has_loop():  # else the first request starts it, on its loop
            self._start()

    def __call__(self, request: HttpRequest) -> Any:
        """Start the perimeter where it hasn't, then pass the request on."""
        if self._is_async:
            return self._acall(request)
        if not self._perimeter.is_started:
            try:
                self._start()
            except StoreError as error:  # it may be there at the next request
                return response_of(refusal(store_refusal(error)))
        try:
            request = self._at_the_edge(request)
        except Refused as refused:
            return response_of(refusal(refused))
        hold(request, self._perimeter)
        outer = within.current()
        within.go_to("")  # the thread serves others afterwards
        try:
            return self._next(request)
        finally:
            within.go_to(outer)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer a refusal; everything else is Django's."""
        _ = request
        return response_of(refusal(error)) if isinstance(error, Refused) else None

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        if not self._perimeter.is_started:
            try:
                await self._perimeter.astart()
            except StoreError as error:
                return response_of(refusal(store_refusal(error)))
        try:
            proven = self._at_the_edge(request)
        except Refused as refused:
            return response_of(refusal(refused))
        hold(proven, self._perimeter)
        outer = within.current()
        within.go_to("")
        try:
            response: HttpResponseBase = await self._next(proven)
        finally:
            within.go_to(outer)
        if proven is not request:  # Django closes the files of the one that it made
            getattr(response, "_resource_closers", []).append(proven.close)
        return response

    def _at_the_edge(self, request: HttpRequest) -> HttpRequest:
        if self._edge is None:  # not before the start: until then a boundary may be declared
            self._edge = DjangoEdge(self._perimeter)
        return self._edge.enter(request)

    def _start(self) -> None:
        with self._starting:
            self._perimeter.start()

    def _process_view(
        self, request: HttpRequest, view: Any, args: Any, places: Any
    ) -> HttpResponseBase | None:
        _ = args, places
        self._look_at(request, view)
        return None

    async def _aprocess_view(
        self, request: HttpRequest, view: Any, args: Any, places: Any
    ) -> HttpResponseBase | None:
        _ = args
        self._look_at(request, view)
        on_the_loop: Any = getattr(view, ON_THE_LOOP, None)
        if on_the_loop is None:
            return None
        try:
            response: HttpResponseBase = await on_the_loop(request, **places)
        except Refused as refused:
            return response_of(refusal(refused))
        return response

    def _look_at(self, request: HttpRequest, view: Any) -> None:
        """Walk the URLconf that another middleware chose for this request, once.

        A method of a class of views can't tell Django's own check of a token to leave its content
        alone, so that it is told here.
        """
        if proves_method(view, str(request.method)):
            setattr(request, "_dont_enforce_csrf_checks", True)  # noqa: B010  Django's own name
        urlconf: Any = getattr(request, "urlconf", None)
        if urlconf in self._known:
            return
        debts = self._declared.debts(urlconf)
        if debts:
            raise BoundaryError(*debts)
        self._known.add(urlconf)


def _has_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
