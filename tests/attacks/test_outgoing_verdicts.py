"""A view whose outgoing call is refused answers alike on every framework: status, fields and body."""

import ast
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pratique import Perimeter
from pratique.core.obligation import VALID, Obligation
from pratique.core.refusal import Answer, Refused
from pratique.fetch import Fetch
from pratique.fetch.attacks import ATTACKS as URLS
from pratique.integrations import fastapi as for_fastapi
from pratique.integrations import flask as for_flask
from pratique.integrations import starlette as for_starlette
from pratique.partner import Partner, UnknownFields
from pratique.partner.attacks import ATTACKS as ANSWERS
from pratique.partner.attacks import Honest
from tests.attacks.test_fetch_attacks import CANARY, HOST, NAMED, OPEN, policy_of
from tests.django_project import Project
from tests.fetch.clients import GOOD, OTHER
from tests.fetch.world import World, reply
from tests.partner.risk import ADDRESS, HONEST, KEY, ORDER, Score
from tests.partner.risk import HOST as PARTNER
from tests.serving import served

SOURCES = Path(__file__).parents[2] / "src" / "pratique"
BELIEVED = Honest(HONEST, number="score", choice="verdict")
Job = Callable[[], object]


class Site:
    """An application whose one view does what the test says, on each framework."""

    def __init__(self, framework: str) -> None:
        self.job: Job = object
        self.perimeter = Perimeter()
        self.previews = {
            id(policy): self.perimeter.declare(Fetch(name, policy))
            for name, policy in (("named", NAMED), ("open", OPEN))
        }
        self.partner = self.perimeter.declare(
            Partner("risk", f"https://{PARTNER}/v1", bearer=KEY, deadline=timedelta(seconds=5))
        )
        self.app: Any = getattr(self, f"_{framework}")()

    def _fastapi(self) -> FastAPI:
        app = for_fastapi.guard(FastAPI(), self.perimeter)

        @app.get("/go")
        def go() -> dict[str, str]:
            self.job()
            return {}

        return app

    def _starlette(self) -> Starlette:
        def go(_: Request) -> Response:
            self.job()
            return JSONResponse({})

        return for_starlette.guard(Starlette(routes=[Route("/go", go)]), self.perimeter)

    def _flask(self) -> Flask:
        app = Flask("site")
        for_flask.Pratique(self.perimeter).init_app(app)

        @app.get("/go")
        def go() -> dict[str, str]:
            self.job()
            return {}

        return app

    def _django(self) -> Any:
        def go(_: HttpRequest) -> HttpResponse:
            self.job()
            return HttpResponse("{}")

        return Project([path("go", go)], self.perimeter).wsgi()


Told = tuple[int, tuple[tuple[str, str], ...], bytes]


def told(http: httpx.Client, site: Site, job: Job) -> Told:
    """Return what the sender of a request is told whose view does this."""
    site.job = job
    answer = http.get("/go")
    own = ("crossing-id", "content-length")
    fields = sorted((k, v) for k, v in answer.headers.items() if k not in own)
    return answer.status_code, tuple(fields), answer.content


def jobs(world: World, site: Site) -> Iterator[tuple[str, Job]]:
    """Yield every attack by URL and by a partner's answer, then every refusal that they declare."""
    for url in URLS:
        fetch, target = site.previews[id(policy_of(url))], url.at(host=HOST, port=CANARY)
        yield f"{url.id} {url.title}", lambda fetch=fetch, target=target: fetch.get(target)
    for attack in ANSWERS:
        lines = {name.replace("-", "_"): value for name, value in attack.fields.items()}
        lines = {"Content_Type": "application/json", **lines}
        raw = reply(attack.status, attack.content(BELIEVED), **lines)
        world.server.answer = lambda _, raw=raw: raw
        yield f"{attack.id} {attack.title}", lambda: asked(site)
    for given in declared():
        yield f"{given}", lambda given=given: refuse(*given)


def asked(site: Site) -> object:
    """Ask the partner for a score."""
    strict = {"unknown": UnknownFields.REFUSE, "about": {"order": ORDER}}
    return site.partner.get("/score", Score, params={"order": ORDER}, **strict)


def refuse(obligation: Obligation, code: str, answer: Answer) -> None:
    """Refuse as a room does."""
    raise Refused(obligation, "for the operator", code=code, answer=answer)


def declared() -> list[tuple[Obligation, str, Answer]]:
    """Return every refusal that the two rooms' sources write out."""
    found = set[tuple[Obligation, str, Answer]]()
    for room in ("fetch", "partner"):
        for module in (SOURCES / room).glob("**/*.py"):
            for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
                named = {key.arg: key.value for key in getattr(node, "keywords", ())}
                code, answer = named.get("code"), named.get("answer")
                if not (isinstance(node, ast.Call) and isinstance(code, ast.Constant)):
                    continue
                first = getattr(node.args[0], "id", "") if node.args else ""
                found.add(
                    (
                        Obligation.__members__.get(first, VALID),
                        str(code.value),
                        Answer.__members__.get(getattr(answer, "attr", ""), Answer.REJECT),
                    )
                )
    return sorted(found)


def test_a_refused_call_inside_a_view_is_answered_alike(world: World) -> None:
    """FT-01 to FT-11, UP-01 to UP-07, and every code of theirs: one problem document; a call that isn't refused is 200."""
    world.names.update({HOST: [GOOD], PARTNER: [ADDRESS]})
    world.everywhere = [OTHER]
    answers: dict[str, dict[str, Told]] = {}
    for framework in ("fastapi", "starlette", "flask", "django"):
        site = Site(framework)
        with served(site.app) as http:
            answers[framework] = {title: told(http, site, job) for title, job in jobs(world, site)}
            assert told(http, site, object)[0] == 200
    expected = answers.pop("fastapi")
    assert len(declared()) > 25
    told_that_it_came = {title for title, (status, _, _) in expected.items() if status < 400}
    assert all("acknowledge" in title for title in told_that_it_came)
    for found in answers.values():
        assert found == expected
