"""A customer's own rows, by Django's ORM and Django's session."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection, models
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from pratique import Proven
from pratique.client import Change, Page
from pratique.core.refusal import BoundaryError, Refused
from pratique.events import Metrics
from pratique.integrations.django import called, guarded, listed, owned
from pratique.integrations.django.ownership import OwnedRows
from pratique.integrations.django.session import DjangoSession
from tests.django_project import Project
from tests.integrations.django.market.models import Order, Parcel, Reading
from tests.integrations.django.market.site import ORIGIN, Market
from tests.serving import served


class Note(msgspec.Struct, forbid_unknown_fields=True):
    note: str = ""


@pytest.fixture(params=["wsgi", "asgi"])
def http(request: pytest.FixtureRequest, market: Market) -> Iterator[httpx.Client]:
    """Give a client of its views."""
    client = market.client
    read = owned(client, Order.owner, "read")
    update = owned(client, Order.owner, "update", content=Note)

    @guarded
    def show(_: HttpRequest, order: Annotated[Proven[Order], read], order_id: int) -> HttpResponse:
        assert order.value.pk == order_id
        return JsonResponse({"note": order.value.note, "locked": connection.in_atomic_block})

    @guarded
    def change(
        request: HttpRequest,
        asked: Annotated[Proven[Change[Order, Note], Literal["update"]], update],
    ) -> HttpResponse:
        assert connection.in_atomic_block
        assert request.body  # what was read is left to whoever asks Django for it
        asked.value.object.note = asked.value.content.note
        asked.value.object.save()
        if asked.value.content.note == "fails":
            raise ValueError
        return JsonResponse({"ok": True})

    @guarded
    async def me(
        _: HttpRequest, who: Annotated[Proven[User], called(client, "profile.read")]
    ) -> Any:
        return JsonResponse({"name": who.value.username})

    routes = [
        path("orders/<int:order_id>", show),
        path("orders/<int:order_id>/note", change),
        path("me", me),
    ]
    project = Project(routes, market.perimeter, DEBUG_PROPAGATE_EXCEPTIONS=False)
    with served(project.asgi() if request.param == "asgi" else project.wsgi()) as made:
        yield made


def test_a_foreign_row_is_not_found(market: Market, http: httpx.Client) -> None:
    """Bob's, nobody's and none: the same 404 without a lock; ann's own is shown (CWE-639)."""
    ann = market.login("ann")
    answers = [http.get(f"/orders/{key}", headers=ann) for key in (20, 30, 999, 10**18, 10**30)]
    assert {a.status_code for a in answers} == {404}
    assert len({a.content for a in answers[:3]}) == 1
    assert http.get("/orders/10", headers=ann).json() == {"note": "", "locked": False}
    assert http.get("/orders/20", headers=market.login("bob")).status_code == 200


def test_the_routes_of_a_project_are_counted(market: Market) -> None:
    """`pratique_routes` says how many are guarded, however many guards the project has made."""

    @guarded
    def me(
        _: HttpRequest, who: Annotated[Proven[User], called(market.client, "profile.read")]
    ) -> HttpResponse:
        return JsonResponse({"name": who.value.username})

    project = Project([path("me", me)], market.perimeter)
    with served(project.wsgi()) as one, served(project.wsgi()) as other:
        ann = market.login("ann")
        assert [http.get("/me", headers=ann).status_code for http in (one, other)] == [200, 200]
    with project.settings():
        routes = Metrics(market.perimeter).read()["pratique_routes"].values
    assert (routes["guarded",], routes["naked",]) == (1, 0)


def test_a_change_is_committed_or_undone_as_a_whole(market: Market, http: httpx.Client) -> None:
    """The row is locked, judged and written in one transaction: a view that raises has written nothing."""
    ann = market.login("ann")

    def send(key: int, **note: Any) -> int:
        return http.post(f"/orders/{key}/note", headers=ann, json=note).status_code

    if type(http) is httpx.Client:  # starlette's client raises what the application raises
        assert send(10, note="fails") == 500
    assert send(20, note="mine") == 404
    assert send(10, note="x", price=1) == 422
    assert [o.note for o in Order.objects.order_by("pk")] == ["", "", ""]
    assert send(10, note="ring") == 200
    assert Order.objects.get(pk=10).note == "ring"
    Order.objects.filter(pk=10).update(state="shipped")
    assert send(10, note="again") == 403


def test_a_session_is_that_of_now(market: Market, http: httpx.Client) -> None:
    """Over, ended, of a changed password, of somebody inactive, none: refused; a live one is in."""
    ann, bob = market.login("ann"), market.login("bob")
    assert http.get("/me", headers=ann).json() == {"name": "ann"}
    over = market.login("ann", age=timedelta(seconds=1))
    ended = market.login("ann")
    Session.objects.filter(session_key=ended["cookie"].partition("=")[2]).delete()
    refused = [
        http.get("/me", headers=over),
        http.get("/me", headers=ended),
        http.get("/me"),
        http.get("/me", headers={"cookie": "sessionid=x"}),
        http.get("/me", headers={"cookie": f"{ann['cookie']}; {bob['cookie']}"}),
    ]
    assert {a.status_code for a in refused} == {401}
    assert len({a.content for a in refused}) == 1
    User.objects.filter(username="ann").update(password="another hash")
    assert http.get("/me", headers=ann).status_code == 401
    assert http.get("/me", headers=bob).status_code == 200
    User.objects.filter(username="bob").update(is_active=False)
    assert http.get("/me", headers=bob).status_code == 401
    assert market.kept.records


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://market.example", None])
def test_another_site_changes_nothing(
    market: Market, http: httpx.Client, origin: str | None
) -> None:
    """CWE-352: without Django's token, by the Origin alone; our own page's change is written."""
    ann = market.login("ann")
    sent = {name: value for name, value in ann.items() if name != "origin"}
    if origin is not None:
        sent["origin"] = origin
    assert http.post("/orders/10/note", headers=sent, json={"note": "x"}).status_code == 401
    assert Order.objects.get(pk=10).note == ""
    assert http.post("/orders/10/note", headers=ann, json={"note": "x"}).status_code == 200


def test_only_fields_with_keys_that_can_be_read_own_rows() -> None:
    """A field of many, a relation from the other side or a key of floats is refused; Order.owner and owner_id are taken."""

    def by(user: Any) -> Any:
        return user.id

    for wrong in (Order.note, User.groups, Order, "owner", Reading.owner):
        if wrong is Order.note:
            continue  # any field may hold an owner: a name, a tenant's slug
        with pytest.raises(BoundaryError):
            OwnedRows(wrong, by=by)
    for right in (Order.owner, Order.owner_id):  # type: ignore[attr-defined]
        assert OwnedRows(right, by=by).owner == "owner_id"


@pytest.mark.parametrize(
    "text", ["", "010", "1e1", "-1", " 1", "１", "1\n", "2147483648", "9" * 99]
)
def test_a_key_has_one_spelling(text: str) -> None:
    """What no row could have, or is another spelling of one, is 404; the plain number is read."""
    rows = OwnedRows(Order.owner, by=lambda user: user.id)
    many = isinstance(Order._meta.pk, models.BigAutoField)
    if not (many and text == "2147483648"):
        with pytest.raises(Refused) as refused:
            rows.read_key(text)
        assert (refused.value.code, refused.value.status) == ("bad_key", 404)
    assert rows.read_key("10") == 10
    parcels = OwnedRows(Parcel.owner, by=lambda user: user.id)
    assert parcels.read_key("6f1e2f0e-7d0f-4f0c-9d53-1d5f0f5f8a11") == UUID(
        "6f1e2f0e-7d0f-4f0c-9d53-1d5f0f5f8a11"
    )
    with pytest.raises(Refused):
        parcels.read_key("6F1E2F0E-7D0F-4F0C-9D53-1D5F0F5F8A11")


@pytest.mark.parametrize("nobody", [None, True, False])
def test_nobody_owns_nothing(market: Market, nobody: object) -> None:
    """A user without a key, or with a bool for one, is not the owner of everybody's rows; ann is of hers."""
    rows = OwnedRows(Order.owner, by=lambda user: user)
    assert rows.find(nobody, 30) is None
    assert rows.find(nobody, 10) is None
    assert rows.find(1, 10) == Order.objects.get(pk=10)


def test_a_locked_row_wants_a_view_with_a_transaction(market: Market) -> None:
    """Django has no transaction on a loop: an async view that writes is refused, one that reads isn't."""
    locks = owned(market.client, Order.owner, "update", content=Note)
    reads = owned(market.client, Order.owner, "read")

    async def change(
        _: HttpRequest, asked: Annotated[Proven[Change[Order, Note]], locks]
    ) -> Any: ...

    async def show(_: HttpRequest, order: Annotated[Proven[Order], reads]) -> Any: ...

    with pytest.raises(BoundaryError, match="none for an async view"):
        guarded(change)
    guarded(show)


def test_an_identity_names_its_origins() -> None:
    """Empty is never unset: a session without an origin is refused; one with it is made."""
    for wrong in ([], [""], ["https://market.example/"], "https://market.example"):
        with pytest.raises(BoundaryError, match="DjangoSession"):
            DjangoSession(origins=wrong)
    assert DjangoSession(origins=[ORIGIN]).origins == {ORIGIN}


def test_proofs_of_a_sync_view_run_on_its_own_thread(market: Market) -> None:
    """A row is locked on the connection of the thread that writes it."""
    seen: list[int] = []

    def by(user: Any) -> Any:
        seen.append(threading.get_ident())
        return user.id

    @guarded
    def show(
        _: HttpRequest,
        order: Annotated[Proven[Order], owned(market.client, Order.owner, "read", by=by)],
    ) -> HttpResponse:
        seen.append(threading.get_ident())
        return HttpResponse(str(order.value.pk))

    project = Project([path("orders/<int:order_id>", show)], market.perimeter)
    with served(project.wsgi()) as http:
        assert http.get("/orders/10", headers=market.login("ann")).text == "10"
    assert set(seen) == {threading.get_ident()}


@pytest.mark.parametrize("told", [1, "yes", None, False])
def test_staff_reach_the_rows_of_others_where_the_action_says_so(
    market: Market, told: object
) -> None:
    """Exactly True opens every row; anything else, and everybody else, has their own."""
    rows = OwnedRows(Order.owner, by=lambda user: user, all_for=lambda _: told)
    assert rows.find(3, 20) is None
    staff = OwnedRows(Order.owner, by=lambda user: user, all_for=lambda user: user == 3)
    assert staff.find(3, 20) == Order.objects.get(pk=20)
    assert staff.find(1, 20) is None
    assert rows.find(1, 20) is None


@pytest.mark.parametrize("nobody", ["", None, False])
def test_an_empty_owner_owns_nothing(market: Market, nobody: object) -> None:
    """CL-01: a user without a tenant isn't the owner of the rows that have none; one with a tenant finds its own."""
    rows = OwnedRows(Order.note, by=lambda tenant: tenant)
    row = Order.objects.get(pk=10)
    assert row.note == ""
    assert rows.find(nobody, 10) is rows.page(nobody, None, most=2) is rows.all_of(nobody) is None
    assert not rows.is_of(row, nobody)
    Order.objects.filter(pk=10).update(note="t1")
    assert rows.find("t1", 10).pk == 10
    assert rows.page("t1", None, most=2).rows == (row,)
    assert rows.is_of(rows.find("t1", 10), "t1")


def test_a_list_holds_ones_own_rows_alone(market: Market) -> None:
    """CL-01: page by page to the end, by Django's ORM; a cursor that is no key is 404, another's rows are in no page."""
    Order.objects.bulk_create([Order(id=key, owner_id=1) for key in (11, 12, 13)])
    proof = listed(market.client, Order.owner, most=2)

    @guarded
    def orders(
        _: HttpRequest, mine: Annotated[Proven[Page[Order], Literal["list"]], proof]
    ) -> HttpResponse:
        page = mine.value
        return JsonResponse({"ids": [order.pk for order in page.rows], "next": page.next})

    project = Project([path("orders", orders)], market.perimeter)
    with served(project.wsgi()) as http:
        ann, bob = market.login("ann"), market.login("bob")
        assert http.get("/orders", headers=ann).json() == {"ids": [10, 11], "next": "11"}
        assert http.get("/orders?after=11", headers=ann).json() == {"ids": [12, 13], "next": ""}
        assert http.get("/orders?after=10", headers=bob).json() == {"ids": [20], "next": ""}
        for wrong in ("x", "011", "11&after=12"):
            assert http.get(f"/orders?after={wrong}", headers=ann).status_code == 404
        assert http.get("/orders").status_code == 401
    rows = OwnedRows(Order.owner, by=lambda user: user)
    assert rows.page(None, None, most=2) is None
    with pytest.raises(BoundaryError, match="1 to 1000 rows"):
        listed(market.client, Order.owner, most=0)
