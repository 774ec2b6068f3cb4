"""The shop of `tests.client.shop` behind each framework's door: the same views, the same words."""

from collections.abc import AsyncIterator, Iterator
from functools import wraps
from types import SimpleNamespace
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views import View
from fastapi import FastAPI
from flask import Flask
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session as Db
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
from tests.client.shop import Order, OrderChange, Shop, User, loaders
from tests.django_project import Project


def fastapi(shop: Shop, *, is_async: bool) -> FastAPI:
    """Return the shop on FastAPI."""

    def db() -> Iterator[Db]:
        with shop.new.begin() as session:
            yield session

    async def adb() -> AsyncIterator[AsyncSession]:
        async with shop.new_async.begin() as session:
            yield session

    app = for_fastapi.guard(FastAPI(), shop.perimeter)
    shop.session = adb if is_async else db
    owes = _owes(for_fastapi, shop, shop.session, is_async=is_async)

    @app.get("/orders/{order_id}")
    async def show(order: Annotated[Proven[Order, Literal["read"]], owes.read]) -> Any:
        return {"id": order.value.id, "note": order.value.note, "state": order.value.state}

    @app.patch("/orders/{order_id}")
    async def change(
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], owes.update],
    ) -> Any:
        asked.value.object.note = asked.value.content.note
        asked.value.object.quantity = asked.value.content.quantity
        return {"ok": True}

    @app.get("/me")
    async def me(who: Annotated[Proven[User, Literal["profile.read"]], owes.profile]) -> Any:
        return {"name": who.value.name}

    @app.get("/admin/orders")
    async def orders(who: Annotated[Proven[User, Literal["admin.orders"]], owes.admin]) -> Any:
        return {"by": who.value.name}

    return app


def starlette(shop: Shop, *, is_async: bool) -> Starlette:
    """Return the shop on Starlette."""
    session = shop.new_async.begin if is_async else shop.new.begin
    owes = _owes(for_starlette, shop, session, is_async=is_async)

    async def show(
        request: Request, order: Annotated[Proven[Order, Literal["read"]], owes.read]
    ) -> Response:
        assert request.path_params == {"order_id": str(order.value.id)}
        row = order.value
        return JSONResponse({"id": row.id, "note": row.note, "state": row.state})

    def change(
        _: Request,
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], owes.update],
        db: Annotated[Any, for_starlette.opened(session)],
    ) -> Response:
        assert asked.value.object in db
        asked.value.object.note = asked.value.content.note
        asked.value.object.quantity = asked.value.content.quantity
        return JSONResponse({"ok": True})

    async def me(
        _: Request, who: Annotated[Proven[User, Literal["profile.read"]], owes.profile]
    ) -> Response:
        return JSONResponse({"name": who.value.name})

    async def orders(
        _: Request, who: Annotated[Proven[User, Literal["admin.orders"]], owes.admin]
    ) -> Response:
        return JSONResponse({"by": who.value.name})

    guarded = for_starlette.guarded
    routes = [
        Route("/orders/{order_id}", guarded(show)),
        Route("/orders/{order_id}", guarded(change), methods=["PATCH"]),
        Route("/me", guarded(me)),
        Route("/admin/orders", guarded(orders)),
    ]
    return for_starlette.guard(Starlette(routes=routes), shop.perimeter)


def flask(shop: Shop, *, is_async: bool) -> Flask:
    """Return the shop on Flask, whose sessions are sync."""
    assert not is_async
    session = shop.new.begin
    owes = _owes(for_flask, shop, session, is_async=False)
    app = Flask("shop")
    for_flask.Pratique(shop.perimeter).init_app(app)

    @app.get("/orders/<order_id>")
    @for_flask.guarded
    def show(order: Annotated[Proven[Order, Literal["read"]], owes.read], order_id: str) -> Any:
        assert order_id == str(order.value.id)
        return {"id": order.value.id, "note": order.value.note, "state": order.value.state}

    @app.patch("/orders/<order_id>")
    @for_flask.guarded
    def change(
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], owes.update],
        db: Annotated[Any, for_flask.opened(session)],
    ) -> Any:
        assert asked.value.object in db
        asked.value.object.note = asked.value.content.note
        asked.value.object.quantity = asked.value.content.quantity
        return {"ok": True}

    @app.get("/me")
    @for_flask.guarded
    def me(who: Annotated[Proven[User, Literal["profile.read"]], owes.profile]) -> Any:
        return {"name": who.value.name}

    @app.get("/admin/orders")
    @for_flask.guarded
    def orders(who: Annotated[Proven[User, Literal["admin.orders"]], owes.admin]) -> Any:
        return {"by": who.value.name}

    return app


def django(shop: Shop, *, is_async: bool) -> Any:
    """Return the shop on Django: its views on a loop where the session is asynchronous."""
    session = shop.new_async.begin if is_async else shop.new.begin
    owes = _owes(for_django, shop, session, is_async=is_async)

    def show(
        request: HttpRequest, order: Annotated[Proven[Order, Literal["read"]], owes.read]
    ) -> HttpResponse:
        row = order.value
        return JsonResponse({"id": row.id, "note": row.note, "state": row.state})

    def change(
        _: HttpRequest,
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], owes.update],
        db: Annotated[Any, for_django.opened(session)],
    ) -> HttpResponse:
        assert asked.value.object in db
        asked.value.object.note = asked.value.content.note
        asked.value.object.quantity = asked.value.content.quantity
        return JsonResponse({"ok": True})

    def me(
        _: HttpRequest, who: Annotated[Proven[User, Literal["profile.read"]], owes.profile]
    ) -> HttpResponse:
        return JsonResponse({"name": who.value.name})

    def orders(
        _: HttpRequest, who: Annotated[Proven[User, Literal["admin.orders"]], owes.admin]
    ) -> HttpResponse:
        return JsonResponse({"by": who.value.name})

    def guarded(view: Any) -> Any:
        return for_django.guarded(_on_the_loop(view) if is_async else view)

    class OneOrder(View):
        get = guarded(_method(show))
        patch = guarded(_method(change))

    routes = [
        path("orders/<str:order_id>", OneOrder.as_view()),
        path("me", guarded(me)),
        path("admin/orders", guarded(orders)),
    ]
    project = Project(routes, shop.perimeter)
    return project.asgi() if is_async else project.wsgi()


def _on_the_loop(view: Any) -> Any:
    @wraps(view)
    async def on_the_loop(*args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return on_the_loop


def _method(view: Any) -> Any:
    @wraps(view)
    def method(_: Any, *args: Any, **more: Any) -> Any:
        return view(*args, **more)

    return method


def _owes(door: Any, shop: Shop, session: Any, *, is_async: bool) -> Any:
    client = shop.declare(*loaders(is_async=is_async))
    return SimpleNamespace(
        read=door.owned(client, Order.owner_id, "read", session=session),
        update=door.owned(client, Order.owner_id, "update", session=session, content=OrderChange),
        profile=door.called(client, "profile.read", session=session),
        admin=door.called(client, "admin.orders", session=session),
    )
