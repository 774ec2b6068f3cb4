"""The market: two customers with orders, signed in by Django, and a boundary over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connections
from django.utils import timezone

from pratique import Perimeter
from pratique.client import Client
from pratique.integrations.django.session import DjangoSession, active_user
from tests import django_site as site
from tests.client.shop import Kept
from tests.integrations.django.market.models import Order, Parcel

ORIGIN = "https://market.example"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def may(user: Any, action: str, thing: Any) -> bool:
    """Say what a customer may do, from the state that everything is in now."""
    if action in ("update", "delete"):
        return bool(thing.state == "open")
    return action in ("read", "list", "create", "profile.read")


class Market:
    """Its boundary, its records and its users."""

    def __init__(self, identity: Any = None, observe: Any = None, **more: Any) -> None:
        self.kept = Kept()
        self.perimeter = Perimeter(events=self.kept, **more)
        self.client = self.perimeter.declare(
            Client(
                "market",
                identity=identity or DjangoSession(origins=[ORIGIN]),
                user=active_user,
                policy=may,
                observe=observe,
            )
        )

    @staticmethod
    def login(name: str, *, age: timedelta | None = None) -> dict[str, str]:
        """Sign a user in; return the fields that their browser sends."""
        user = User.objects.get(username=name)
        session = SessionStore()
        session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), BACKEND
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.create()
        if age is not None:
            until = timezone.now() - age
            Session.objects.filter(session_key=session.session_key).update(expire_date=until)
        return {"cookie": f"sessionid={session.session_key}", "origin": ORIGIN}


@contextmanager
def opened(folder: Path) -> Iterator[None]:
    """Give the tables, with ann's order 10 and bob's order 20, and one of nobody."""
    with site.databases(default=site.sqlite(folder / "market.db")):
        with connections["default"].schema_editor() as editor:
            for model in (ContentType, Permission, Group, User, Session, Order, Parcel):
                editor.create_model(model)
        for number, name in enumerate(("ann", "bob"), 1):
            User.objects.create(id=number, username=name, password=f"hash of {name}'s")
        Order.objects.bulk_create(
            [Order(id=10, owner_id=1), Order(id=20, owner_id=2), Order(id=30)]
        )
        yield
