"""A session of Django's is taken back at its next use, and ends in all; a GET with an effect owes its origin."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from django.contrib.auth import login, user_logged_in
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest, HttpResponse
from django.urls import path

from pratique import Proven, stores
from pratique.core.proofs.revocation import Issued
from pratique.core.refusal import BoundaryError
from pratique.integrations.django import Public, called, guarded, owned
from pratique.integrations.django.session import BEGAN_AT, DjangoSession, session_id
from tests.django_project import CSRF, GUARD, Project
from tests.integrations.django.market.models import Order
from tests.integrations.django.market.site import BACKEND, ORIGIN, Market, opened
from tests.serving import served

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
SESSIONS = "django.contrib.sessions.middleware.SessionMiddleware"


@Public("whoever is named is signed in: a test's own")
def sign_in(request: HttpRequest, name: str) -> HttpResponse:
    """Sign a user in, as Django's own view does after the password."""
    login(request, User.objects.get(username=name), backend=BACKEND)
    return HttpResponse(request.session.session_key)


class Site:
    """The market with a login of Django's, and a clock."""

    def __init__(self, http: httpx.Client, market: Market) -> None:
        self.http, self.market = http, market

    def login(self, name: str, at: datetime = NOON) -> dict[str, str]:
        """Sign in at a moment; return what the browser sends from then on."""
        self.at(at)
        key = self.http.get(f"/sign-in/{name}").text
        self.http.cookies.clear()  # each has a browser of its own
        return {"cookie": f"sessionid={key}", "origin": ORIGIN}

    def at(self, moment: datetime) -> "Site":
        """Let it be this moment."""
        self.market.perimeter.clock = lambda: moment
        return self

    def ask(self, fields: dict[str, str]) -> tuple[int, str]:
        """Ask who somebody is; the status, and the code that was recorded."""
        status = self.http.get("/me", headers=fields).status_code
        return status, self.market.kept.records[-1].code


@contextmanager
def opened_site(folder: Path, identity: DjangoSession, **more: Any) -> Iterator[Site]:
    """Give the site, on a database of its own."""
    market = Market(identity, clock=lambda: NOON, **more)

    @guarded
    def me(
        _: HttpRequest, who: Annotated[Proven[User], called(market.client, "profile.read")]
    ) -> Any:
        return HttpResponse(who.value.username)

    routes = [path("me", me), path("sign-in/<str:name>", sign_in)]
    project = Project(routes, market.perimeter, middleware=(GUARD, SESSIONS, CSRF))
    with opened(folder), served(project.wsgi()) as http:
        try:
            yield Site(http, market)
        finally:
            market.perimeter.close()


@pytest.fixture(autouse=True)
def _nobody_notes_afterwards() -> Iterator[None]:
    yield
    user_logged_in.disconnect(dispatch_uid=BEGAN_AT)


def test_a_session_that_was_taken_back_is_refused(tmp_path: Path) -> None:
    """CWE-613: all of a user's up to a moment, and one alone; another's and a later one are let in."""
    store = stores.memory()
    taken = stores.revocations(store, lifetime=8 * HOUR)
    identity = DjangoSession(origins=[ORIGIN], lifetime=8 * HOUR, revoked=taken)
    with opened_site(tmp_path, identity, store=store) as site:
        ann, bob = site.login("ann"), site.login("bob")
        assert [site.ask(who) for who in (ann, bob)] == [(200, "")] * 2
        taken.revoke_before(identity.issuer, 1, at=NOON)
        assert [site.ask(who) for who in (ann, bob)] == [(401, "revoked"), (200, "")]
        later = site.login("ann", NOON + SECOND)
        assert [site.ask(who) for who in (ann, later)] == [(401, "revoked"), (200, "")]
        taken.revoke(identity.issuer, session_id(bob["cookie"].removeprefix("sessionid=")))
        assert [site.ask(who) for who in (bob, later)] == [(401, "revoked"), (200, "")]


def test_a_key_that_django_renews_has_an_id_of_its_own(tmp_path: Path) -> None:
    """CWE-613: taken back by the old key it goes on; by its user, or deleted, it is out, whatever its key."""
    store = stores.memory()
    taken = stores.revocations(store, lifetime=8 * HOUR)
    identity = DjangoSession(origins=[ORIGIN], lifetime=8 * HOUR, revoked=taken)
    with opened_site(tmp_path, identity, store=store) as site:
        keys = [site.login(name)["cookie"].removeprefix("sessionid=") for name in ("ann", "bob")]
        renewed = []
        for key in keys:
            session = SessionStore(key)
            session.cycle_key()
            taken.revoke(identity.issuer, session_id(key))
            renewed.append({"cookie": f"sessionid={session.session_key}", "origin": ORIGIN})
        assert [site.ask(who) for who in renewed] == [(200, "")] * 2
        taken.revoke_before(identity.issuer, 1, at=NOON)
        SessionStore(renewed[1]["cookie"].removeprefix("sessionid=")).delete()
        assert [site.ask(who) for who in renewed] == [(401, "revoked"), (401, "no_session")]


def test_a_callable_says_that_a_session_was_taken_back(tmp_path: Path) -> None:
    """It is told whose, since when and until when; anything but exactly False refuses, False lets in."""
    seen: list[Issued] = []
    said: list[object] = [False, True, None]

    def is_out(issued: Issued) -> object:
        seen.append(issued)
        return said[len(seen) - 1]

    identity = DjangoSession(origins=[ORIGIN], lifetime=HOUR, revoked=is_out)
    with opened_site(tmp_path, identity) as site:
        ann = site.login("ann")
        told = [site.ask(ann) for _ in said]
    assert told == [(200, ""), (401, "revoked"), (401, "revoked")]
    assert (seen[0].issuer, seen[0].subject) == ("cookie:sessionid", 1)
    assert (seen[0].at, seen[0].until) == (NOON, NOON + HOUR)


def test_a_session_ends_in_all_however_it_is_renewed(tmp_path: Path) -> None:
    """ASVS 5.0 §7.3: past its lifetime it is refused; at its last moment it is let in."""
    with opened_site(tmp_path, DjangoSession(origins=[ORIGIN], lifetime=HOUR)) as site:
        ann = site.login("ann")
        assert site.at(NOON + HOUR).ask(ann) == (200, "")
        assert site.at(NOON + HOUR + SECOND).ask(ann) == (401, "session_over")
        assert site.at(NOON - 2 * HOUR).ask(ann) == (401, "session_over")


@pytest.mark.parametrize("noted", [None, "", "yesterday", 7, "2026-11-26T12:00:00"])
def test_a_session_that_says_no_beginning_is_over(tmp_path: Path, noted: object) -> None:
    """One from before lifetime= was named is refused: it couldn't be taken back; one that says it is let in."""
    with opened_site(tmp_path, DjangoSession(origins=[ORIGIN], lifetime=HOUR)) as site:
        ann = site.login("ann")
        assert site.ask(ann) == (200, "")
        session = SessionStore(ann["cookie"].removeprefix("sessionid="))
        session[BEGAN_AT] = noted
        session.save()
        assert site.ask(ann) == (401, "session_over")


def test_what_is_taken_back_has_an_end() -> None:
    """revoked= without lifetime=, and a lifetime of zero, are refused; with both it is made, and says so."""
    taken = stores.revocations(stores.memory(), lifetime=HOUR)
    refused: list[Callable[[], Any]] = [
        lambda: DjangoSession(origins=[ORIGIN], revoked=taken),
        lambda: DjangoSession(origins=[ORIGIN], revoked=lambda _: False),
        lambda: DjangoSession(origins=[ORIGIN], lifetime=timedelta(0)),
    ]
    for wrong in refused:
        with pytest.raises(BoundaryError, match="lifetime"):
            wrong()
    made = DjangoSession(origins=[ORIGIN], lifetime=HOUR, revoked=taken)
    assert "at most 1:00:00 in all, not taken back" in made.proofs()[1].method
    market = Market(made, store=stores.memory())
    with pytest.raises(BoundaryError, match="another store"):
        market.perimeter.start()


def test_a_get_that_locks_a_row_says_where_it_comes_from(tmp_path: Path) -> None:
    """CWE-352: an image on another's page closes no order; our own page does, and a GET that reads owes nothing."""
    market = Market()

    @guarded
    def close(
        _: HttpRequest,
        order: Annotated[Proven[Order], owned(market.client, Order.owner, "delete", lock=True)],
    ) -> HttpResponse:
        order.value.note = "closed"
        order.value.save()
        return HttpResponse()

    @guarded
    def read(
        _: HttpRequest, order: Annotated[Proven[Order], owned(market.client, Order.owner, "read")]
    ) -> HttpResponse:
        return HttpResponse(order.value.note)

    routes = [path("orders/<int:order_id>", read), path("orders/<int:order_id>/close", close)]
    project = Project(routes, market.perimeter)
    with opened(tmp_path), served(project.wsgi()) as http:
        cookie = {"cookie": market.login("ann")["cookie"], "sec-fetch-site": "cross-site"}
        assert http.get("/orders/10/close", headers=cookie).status_code == 401
        assert market.kept.records[-1].code == "cross_site"
        assert http.get("/orders/10", headers=cookie).text == ""
        own = {**cookie, "sec-fetch-site": "same-origin"}
        assert http.get("/orders/10/close", headers=own).status_code == 200
        assert http.get("/orders/10", headers=cookie).text == "closed"
        market.perimeter.close()
