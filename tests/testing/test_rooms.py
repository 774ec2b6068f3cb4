"""The attacks of the rooms, sent as the plugin sends them: every sender, a service, what goes out."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import RequestFactory
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from pratique import Admitted, Perimeter, Secret, stores, unsafe
from pratique.core.boundary import Boundary
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, Internal
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.integrations.fastapi import endpoint, guard
from pratique.integrations.flask import Pratique
from pratique.integrations.starlette import guard as guard_starlette
from pratique.testing import FakePartner, Honest, Hop, Request, delivery, example
from pratique.testing.attacking import (
    HONEST,
    Doesnt,
    Trial,
    attack_ids,
    counterexamples_of,
    says_no,
)
from pratique.testing.examples import Counterexample, Example
from pratique.webhook import Event, Webhook, providers
from tests import django_site
from tests.attacks.door import app_of, flask_app_of
from tests.attacks.test_service_attacks import Backend, token
from tests.django_project import Project
from tests.shop import NOW, URL, plain_sqlite3
from tests.testing.test_kit import SECRET

SENDERS = {
    "stripe": None,
    "slack": None,
    "standard-webhooks": None,
    "github": {"id": "obj_1"},
}


def trials(found: Example) -> Iterator[Trial]:
    """Yield the honest trial first, then each attack."""
    yield from (Trial(found, number) for number in (HONEST, *attack_ids(found.boundary)))


def run(found: Example, told: Any, app: Any = None) -> list[str]:
    """Run every trial that can be made; return the ids of those that can't."""
    left: list[str] = []
    for trial in trials(found):
        try:
            trial.run(told() if callable(told) else told, app)
        except Doesnt:
            left.append(trial.id)
    return left


@pytest.mark.parametrize("name", SENDERS)
def test_no_attack_passes_for_a_senders_delivery(tmp_path: Path, name: str) -> None:
    """Of each scheme: what can't be made of it is left out, the rest is refused, and the honest one is proven."""
    perimeter = Perimeter(stores.sqlite(tmp_path / "shop.db"), clock=lambda: NOW)
    scheme = providers.get(name)
    hooks = perimeter.declare(Webhook("hooks", scheme(secrets=Secret(SECRET, name="main"))))

    @hooks.on(
        "item.made",
        content=dict[str, Any],
        confirm=lambda event: (
            event.object_id if event.object_id != "unknown-to-everybody" else None
        ),
        once=lambda found: found or "it",
        link=lambda found: {"row": 1},
        allow=lambda found, row: True,
    )
    def act(made: Admitted[Event[Any], str, dict[str, int]]) -> None: ...

    app = guard(FastAPI(), perimeter)
    app.post("/hooks")(endpoint(hooks))
    found = example(hooks, "item.made")(lambda: None)
    left = run(found, lambda: delivery(hooks, "item.made", SENDERS[name]).to("/hooks"), app)
    expected = {"WH-25"}
    if not scheme.signed_time:
        expected |= {"WH-10", "WH-11", "WH-12", "WH-13"}
    if name in ("github", "slack"):
        expected |= {"WH-20"}
    assert set(left) == expected


def test_a_sender_that_signs_by_a_key_lends_it_to_the_test(tmp_path: Path) -> None:
    """The boundary has the public key; the example hands in the private one, and without it can't sign."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    private = f"whsk_{b64encode(bytes(range(32))).decode()}"
    perimeter = Perimeter(stores.sqlite(tmp_path / "shop.db"), clock=lambda: NOW)
    sender = providers.get("standard-webhooks")(secrets=Secret(f"whpk_{public}", name="main"))
    hooks = perimeter.declare(Webhook("hooks", sender))
    hooks.on(
        "item.made",
        confirm=lambda event: "it" if event.object_id == "obj_1" else None,
        once=lambda found: found,
        link=lambda found: {"row": 1},
        allow=lambda found, row: True,
    )(lambda made: None)
    app = guard(FastAPI(), perimeter)
    app.post("/hooks")(endpoint(hooks))
    found = example(hooks, "item.made", secret=private)(lambda: None)
    made = lambda: delivery(hooks, "item.made", secret=private).to("/hooks")  # noqa: E731
    assert run(found, made, app) == ["WH-25"]
    with pytest.raises((TypeError, ValueError)):
        delivery(hooks, "item.made")


@pytest.mark.parametrize("kind", ["asgi", "wsgi", "a client of ASGI", "a client of WSGI"])
def test_any_kind_of_application_is_attacked(tmp_path: Path, kind: str) -> None:
    """An application of both interfaces, and the test clients of both, give the same."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    app = flask_app_of(shop) if "WSGI" in kind.upper() else app_of(shop)
    made: Any = app
    if "client" in kind:
        made = app.test_client() if "WSGI" in kind else TestClient(app)  # type: ignore[union-attr]
    found = example(shop.payments, "invoice.paid")(lambda: None)
    left = run(
        found, lambda: delivery(shop.payments, "invoice.paid", object_id="in_1").to(URL), made
    )
    assert left == []
    assert shop.row["upgrades"] == 1


def test_no_attack_passes_for_a_services_call(tmp_path: Path) -> None:
    """Reading and writing; somebody else's object with a token of the same user; the honest call is answered."""
    backend = Backend(tmp_path, is_async=False)

    def by_customer(method: str, number: str, place: str = "", content: bytes = b"") -> Request:
        fields = (
            ("Txn-Token", token(tctx={"object": number})),
            ("Content-Type", "application/json"),
        )
        return Request(method, f"/orders/{number}{place}", content, fields)

    service: Any = backend.perimeter.boundaries[0]
    for name, method, place, content in (
        ("order.read", "GET", "", b""),
        ("order.note", "PUT", "/note", b'{"note": "x"}'),
    ):
        told = Honest(
            by_customer(method, "10", place, content), by_customer(method, "20", place, content)
        )
        assert run(example(service, name)(lambda: None), told, backend.app) == []
    backend.engine.dispose()


def test_a_door_that_believes_a_field_is_noticed(tmp_path: Path) -> None:
    """SV-02: the caller's word for who it is fails the item; without the mistake it passes."""
    backend = Backend(tmp_path, is_async=False)
    service: Any = backend.perimeter.boundaries[0]
    fields = (("Txn-Token", token()),)
    told = Honest(Request("GET", "/orders/10", b"", fields))
    trial = Trial(example(service, "order.read")(lambda: None), "SV-02")

    async def believing(scope: Any, receive: Any, send: Any) -> None:
        names = {name for name, _ in scope["headers"]}
        if b"x-user-role" in names:
            kept = [line for line in scope["headers"] if line[0] != b"x-user-role"]
            scope = {**scope, "headers": [*kept, (b"txn-token", token().encode())]}
        await backend.app(scope, receive, send)

    trial.run(told, backend.app)
    with pytest.raises(AssertionError, match="SV-02"):
        trial.run(told, believing)
    backend.engine.dispose()


def test_what_is_waived_or_only_observed_is_told(tmp_path: Path) -> None:
    """A waived proof has no attacks; a boundary that observes lets them through, and fails."""
    today = NOW.date()
    until = today + timedelta(days=9)
    bound = {"reason": "rolled out", "owner": "payments team", "until": until}
    waiver = unsafe.waive("confirmed", **bound, bound="10 EUR")

    async def before(_: Any) -> JSONResponse:
        return JSONResponse({})

    for observe, told in ((None, "WH-20 can't"), (unsafe.observe(**bound), "is admitted")):
        perimeter = Perimeter(stores.sqlite(tmp_path / "shop.db"), clock=lambda: NOW)
        sender = providers.stripe(secrets=Secret(SECRET, name="main"))
        hooks = perimeter.declare(Webhook("hooks", sender, waivers=[waiver], observe=observe))
        hooks.on(
            "item.made",
            once=lambda event: event.object_id,
            link=lambda event: {"row": 1},
            allow=lambda event, row: True,
            waivers=(),
        )(lambda made: None)
        app = guard(FastAPI(), perimeter)
        app.post("/hooks")(endpoint(hooks, shadows=None if observe is None else before))
        found = example(hooks, "item.made")(lambda: None)
        made = delivery(hooks, "item.made").to("/hooks")
        number = "WH-20" if observe is None else "WH-03"
        with pytest.raises((Doesnt, AssertionError), match=told):
            Trial(found, number).run(made, app)
        if observe is None:
            Trial(found, "WH-03").run(made, app)


@pytest.mark.parametrize("is_public", [True, False], ids=["public", "named"])
def test_no_url_of_the_room_passes_a_policy(is_public: bool) -> None:
    """Whatever the hosts are, a way to the fake partner is all that is open; its own URL is fetched."""
    with FakePartner() as site:
        way = Internal("127.0.0.1", "127.0.0.1/32", site.port, "the server of this test")
        policy = FetchPolicy(
            hosts=PUBLIC if is_public else {"127.0.0.1"},
            schemes={"http"},
            ports={80, 8099},
            internal=[way],
            content_types={"application/json"},
        )
        perimeter = Perimeter()
        pages = perimeter.declare(Fetch("pages", policy))
        site.answers({})
        with perimeter:
            left = run(example(pages, "fetch")(lambda: None), site.base)
    assert left == ["FT-10", "FT-11"] if is_public else True


PROXIES: dict[str, tuple[dict[str, Any], Hop]] = {
    "a list": (
        {"trusted": ("10.0.0.0/24",), "header": "x-forwarded-for", "proto": "x-forwarded-proto"},
        Hop(
            "203.0.113.9",
            "10.0.0.1",
            (
                ("Host", "api.example.com"),
                ("X-Forwarded-For", "203.0.113.9"),
                ("X-Forwarded-Proto", "http"),
            ),
        ),
    ),
    "elements": (
        {"trusted": ("10.0.0.0/24",), "header": "forwarded"},
        Hop(
            "203.0.113.9",
            "10.0.0.1",
            (("Host", "api.example.com"), ("Forwarded", "for=203.0.113.9;proto=http")),
        ),
    ),
    "no proxy": ({}, Hop("203.0.113.9", "", (("Host", "api.example.com"),))),
}


@pytest.mark.parametrize("kind", PROXIES)
def test_no_word_of_an_outsider_passes_an_edge(kind: str) -> None:
    """Straight and through the proxy; the honest request is its client's."""
    settings, hop = PROXIES[kind]
    perimeter = Perimeter(clock=lambda: NOW)
    policy = ProxyPolicy(hosts=("api.example.com",), **settings)
    edge = perimeter.declare(Forwarded("edge", policy))
    with perimeter:
        left = run(example(edge, "origin")(lambda: None), hop)
    assert left == (["PX-04", "PX-05"] if kind == "no proxy" else [])


def behind(door: str, perimeter: Perimeter) -> Any:
    """Return an application that answers 404 behind its door."""
    if door.startswith("flask"):
        app = Flask("edge")
        Pratique(perimeter).init_app(app)
        return app.test_client() if door == "flask's client" else app
    if door == "django":
        return Project([], perimeter).wsgi()
    if door == "starlette":
        return guard_starlette(Starlette(), perimeter)
    return TestClient(guard(FastAPI(), perimeter))


@pytest.mark.parametrize(
    "door", ["starlette", "fastapi's client", "flask", "flask's client", "django"]
)
@pytest.mark.parametrize("kind", PROXIES)
def test_no_word_of_an_outsider_passes_a_door(kind: str, door: str) -> None:
    """The same attacks, sent to an application from the address that each comes from; the honest request is its client's."""
    settings, hop = PROXIES[kind]
    perimeter = Perimeter(clock=lambda: NOW)
    policy = ProxyPolicy(hosts=("api.example.com",), **settings)
    edge = perimeter.declare(Forwarded("edge", policy))
    app = behind(door, perimeter)
    with perimeter:
        left = run(example(edge, "origin")(lambda: None), hop, app)
    assert left == (["PX-04", "PX-05"] if kind == "no proxy" else [])


@pytest.mark.parametrize("door", ["starlette", "flask"])
def test_a_door_that_does_not_ask_the_edge_is_noticed(door: str) -> None:
    """An application without its guard, and one that answers before it: the item fails; with the guard in front it passes."""
    hop = PROXIES["a list"][1]

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    perimeter = Perimeter(clock=lambda: NOW)
    policy = ProxyPolicy(hosts=("api.example.com",), **PROXIES["a list"][0])
    edge = perimeter.declare(Forwarded("edge", policy))
    trial = Trial(example(edge, "origin")(lambda: None), "honest")
    naked: Any = answers if door == "starlette" else Flask("naked")
    with perimeter:
        with pytest.raises(AssertionError, match="isn't what lets it in"):
            trial.run(hop, naked)
        trial.run(hop, behind(door, perimeter))


def test_an_edge_that_trusts_everybody_near_is_noticed() -> None:
    """PX-02: a network of proxies that holds outsiders too lets one be somebody else; one that doesn't, not."""
    hop = PROXIES["a list"][1]
    for networks, is_noticed in (
        (("10.0.0.0/24", "203.0.113.0/24"), True),
        (("10.0.0.0/24",), False),
    ):
        perimeter = Perimeter(clock=lambda: NOW)
        policy = ProxyPolicy(
            trusted=networks,
            header="x-forwarded-for",
            hosts=("api.example.com",),
            missing="peer",
            internal_clients=True,
        )
        edge = perimeter.declare(Forwarded("edge", policy))
        trial = Trial(example(edge, "origin")(lambda: None), "PX-02")
        with (
            perimeter,
            nullcontext() if not is_noticed else pytest.raises(AssertionError, match="PX-02"),
        ):
            trial.run(hop, None)


def test_a_counterexample_of_an_async_allow_is_run_too(tmp_path: Path) -> None:
    """The start runs those that need no loop; the plugin runs the others, yes and no."""
    perimeter = Perimeter(stores.sqlite(tmp_path / "shop.db"), clock=lambda: NOW)
    hooks = perimeter.declare(Webhook("hooks", providers.stripe(secrets=Secret(SECRET, name="m"))))

    async def allow(found: str, row: object) -> bool:
        return found != "bad"

    for kind, pair in (("a.b", ("bad", None)), ("c.d", ("good", None))):
        hooks.on(
            kind,
            confirm=lambda event: event.object_id,
            once=lambda found: found,
            link=lambda found: found,
            allow=allow,
            counterexample=lambda pair=pair: pair,
        )(lambda made: None)
    for kind, is_refused in (("a.b", True), ("c.d", False)):
        (found,) = counterexamples_of(example(hooks, kind)(lambda: None))
        assert says_no(found.judge, found.make()) is is_refused


@pytest.mark.parametrize("told", [True, 1, "row", [1], object()])
def test_only_a_no_is_a_no(told: object) -> None:
    """What is truthy, or a row, lets the counterexample through; None and False don't."""
    assert not says_no(lambda: told, ())
    assert says_no(lambda: None, ())
    assert says_no(lambda: False, ())


def test_a_delivery_reaches_django_as_it_was_signed(tmp_path: Path) -> None:
    """Django's own request has the same bytes and fields."""
    django_site.configure()
    hooks = Webhook("hooks", providers.stripe(secrets=Secret(SECRET, name="main")))
    made = delivery(hooks, "a.b")
    request = RequestFactory().post(URL, **made.for_django())
    assert request.body == made.content
    assert request.headers["Stripe-Signature"] == dict(made.fields)["Stripe-Signature"]
    assert request.headers["Content-Type"] == "application/json"


def test_an_example_says_what_it_is_of() -> None:
    """A claim that isn't declared is named with those that are; a kind without attacks is refused."""
    hooks = Webhook("hooks", providers.stripe(secrets=Secret(SECRET, name="main")))
    from pratique.core.refusal import BoundaryError

    with pytest.raises(BoundaryError, match="declares nothing"):
        _ = example(hooks, "a.b")(lambda: None).declaration

    class Other(Webhook):
        kind = "other"

    other: Boundary = Other("other", providers.stripe(secrets=Secret(SECRET, name="main")))
    with pytest.raises(BoundaryError, match="attacks on"):
        example(other, "a.b")
    assert isinstance(Counterexample(bool, lambda: ()), Counterexample)
