"""The orders of `tests.service.backend` behind each framework's door: the same views, the same words."""

from collections.abc import AsyncIterator, Iterator
from functools import wraps
from types import SimpleNamespace
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views import View
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Proven
from pratique.client import Change
from pratique.integrations import django as for_django
from pratique.integrations import fastapi as for_fastapi
from pratique.integrations import flask as for_flask
from pratique.integrations import starlette as for_starlette
from tests.django_project import Project
from tests.service.rows import Note, Order, User

Read = Literal["read"]
Noted = Literal["note"]
Purge = Literal["orders.purge"]


def fastapi(backend: Any, *, is_async: bool) -> FastAPI:
    """Return the service on FastAPI."""

    def db() -> Iterator[Any]:
        with backend.new.begin() as session:
            yield session

    async def adb() -> AsyncIterator[Any]:
        async with backend.new_async.begin() as session:
            yield session

    app = for_fastapi.guard(FastAPI(), backend.perimeter)
    owes = _owes(for_fastapi, backend, adb if is_async else db)

    @app.get("/orders/{order_id}")
    async def show(order: Annotated[Proven[Order, Read], owes.read]) -> Any:
        return {"id": order.value.id, "note": order.value.note}

    @app.put("/orders/{order_id}/note")
    async def write(asked: Annotated[Proven[Change[Order, Note], Noted], owes.note]) -> Any:
        asked.value.object.note = asked.value.content.note
        return {}

    @app.delete("/orders")
    async def everything(who: Annotated[Proven[User, Purge], owes.purge]) -> Any:
        return {"by": who.value.id}

    return app


def starlette(backend: Any, *, is_async: bool) -> Starlette:
    """Return the service on Starlette."""
    owes = _owes(for_starlette, backend, _session(backend, is_async=is_async))

    async def show(_: Request, order: Annotated[Proven[Order, Read], owes.read]) -> Response:
        return JSONResponse({"id": order.value.id, "note": order.value.note})

    async def write(
        _: Request, asked: Annotated[Proven[Change[Order, Note], Noted], owes.note]
    ) -> Response:
        asked.value.object.note = asked.value.content.note
        return JSONResponse({})

    async def everything(_: Request, who: Annotated[Proven[User, Purge], owes.purge]) -> Response:
        return JSONResponse({"by": who.value.id})

    guarded = for_starlette.guarded
    routes = [
        Route("/orders/{order_id}", guarded(show)),
        Route("/orders/{order_id}/note", guarded(write), methods=["PUT"]),
        Route("/orders", guarded(everything), methods=["DELETE"]),
    ]
    return for_starlette.guard(Starlette(routes=routes), backend.perimeter)


def flask(backend: Any, *, is_async: bool) -> Flask:
    """Return the service on Flask, whose sessions are sync."""
    owes = _owes(for_flask, backend, _session(backend, is_async=is_async))
    app = Flask("orders")
    for_flask.Pratique(backend.perimeter).init_app(app)

    @app.get("/orders/<order_id>")
    @for_flask.guarded
    def show(order: Annotated[Proven[Order, Read], owes.read]) -> Any:
        return {"id": order.value.id, "note": order.value.note}

    @app.put("/orders/<order_id>/note")
    @for_flask.guarded
    def write(asked: Annotated[Proven[Change[Order, Note], Noted], owes.note]) -> Any:
        asked.value.object.note = asked.value.content.note
        return {}

    @app.delete("/orders")
    @for_flask.guarded
    def everything(who: Annotated[Proven[User, Purge], owes.purge]) -> Any:
        return {"by": who.value.id}

    return app


def django(backend: Any, *, is_async: bool) -> Any:
    """Return the service on Django: its views on a loop where the session is asynchronous."""
    owes = _owes(for_django, backend, _session(backend, is_async=is_async))

    def show(_: HttpRequest, order: Annotated[Proven[Order, Read], owes.read]) -> HttpResponse:
        return JsonResponse({"id": order.value.id, "note": order.value.note})

    def write(
        _: HttpRequest, asked: Annotated[Proven[Change[Order, Note], Noted], owes.note]
    ) -> HttpResponse:
        asked.value.object.note = asked.value.content.note
        return JsonResponse({})

    def everything(_: HttpRequest, who: Annotated[Proven[User, Purge], owes.purge]) -> HttpResponse:
        return JsonResponse({"by": who.value.id})

    def of(name: str, view: Any) -> Any:
        method = _on_the_loop(view) if is_async else _method(view)
        return type("Only", (View,), {name: for_django.guarded(method)}).as_view()

    routes = [
        path("orders/<str:order_id>", of("get", show)),
        path("orders/<str:order_id>/note", of("put", write)),
        path("orders", of("delete", everything)),
    ]
    project = Project(routes, backend.perimeter)
    return project.asgi() if is_async else project.wsgi()


def _session(backend: Any, *, is_async: bool) -> Any:
    return backend.new_async.begin if is_async else backend.new.begin


def _owes(door: Any, backend: Any, session: Any) -> Any:
    service = backend.service
    note = door.owned(service, Order.owner_id, "note", session=session, content=Note)
    return SimpleNamespace(
        read=door.owned(service, Order.owner_id, "read", session=session),
        note=note,
        purge=door.called(service, "orders.purge", session=session),
    )


def _on_the_loop(view: Any) -> Any:
    @wraps(view)
    async def on_the_loop(_: Any, *args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return on_the_loop


def _method(view: Any) -> Any:
    @wraps(view)
    def method(_: Any, *args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return method
