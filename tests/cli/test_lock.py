"""`pratique routes | lock | check | diff`, as a team runs them on an old application."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from flask import Flask
from pratique import Perimeter, Secret
from pratique.client import Client, Session, SessionCookie
from pratique.integrations.flask import Pratique, Public, called, guarded
from typing import Annotated
from pratique import Proven

perimeter = Perimeter()
shop = perimeter.declare(Client(
    "shop",
    identity=SessionCookie("session", lambda digest: None, origins=["https://shop.example"]),
    user=lambda subject: subject,
    policy=lambda user, verb, thing: True,
))
Me = Annotated[Proven[object], called(shop, "me.read")]
app = Flask("shop")
Pratique(perimeter, lock=LOCK).init_app(app)

@app.get("/me")
@guarded
def me(me: Me): return {}

@app.get("/health")
@Public("says only that the process runs")
def health(): return "ok"

@app.get("/old")
def old(): return "old"
"""
NAKED = """
@app.get("/new")
def new(): return "new"
"""


CACHED = """
from functools import wraps
from flask import Flask

def cached(view):
    @wraps(view)
    def passed_on(*args, **more): return view(*args, **more)
    return passed_on
"""


class Project:
    """A folder with an application and a repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write(APP.replace("LOCK", "None"))
        self.git("init", "-q", "-b", "main")
        self.commit()

    def write(self, text: str) -> None:
        (self.folder / "shop.py").write_text(text)

    def git(self, *arguments: str) -> None:
        who = ["-c", "user.name=ann", "-c", "user.email=ann@shop.example"]
        subprocess.run(["git", *who, *arguments], cwd=self.folder, check=True)

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")

    def run(self, *arguments: str, app: str = "shop:app") -> tuple[int, str]:
        """Run a command; its status and everything that it said."""
        done = subprocess.run(
            [sys.executable, "-m", "pratique", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PRATIQUE_APP": app, "COLUMNS": "200"},
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Give an old application, in git."""
    return Project(tmp_path)


def test_an_old_application_begins_with_a_baseline_that_shrinks(project: Project) -> None:
    """Naked routes are refused, unless they are the baseline; then no new one comes in, and each that is guarded goes."""
    status, told = project.run("lock")
    assert status == 1
    assert "GET /old: a new naked route" in told
    assert project.run("lock", "--baseline")[0] == 0
    assert "main has no pratique.lock: all that it lists is new" in project.run("diff", "main")[1]
    assert "legacy    GET /old" in project.run("routes")[1]
    assert project.run("check")[0] == 0
    project.commit()
    project.write(APP.replace("LOCK", "None") + NAKED)
    status, told = project.run("check")
    assert status == 1
    assert "GET /new: a new naked route" in told
    assert project.run("lock")[0] == 1
    project.write(
        APP.replace("LOCK", "None").replace('@app.get("/old")', '@app.get("/old")\n@Public("why")')
    )
    status, told = project.run("check")
    assert status == 1
    assert "stronger: route GET /old: legacy -> public: why" in told
    assert project.run("lock")[0] == 0
    assert project.run("check")[0] == 0
    status, told = project.run("diff", "main")
    assert (status, told.strip()) == (0, "stronger: route GET /old: legacy -> public: why")


def test_what_the_start_would_refuse_fails_the_check(project: Project) -> None:
    """CWE-524: a decorator above a guard changes no line of the lock, and the application doesn't start; below it passes."""
    wrapped = APP.replace("LOCK", "None").replace("from flask import Flask", CACHED)
    for order, status in (("@cached\n@guarded\n", 1), ("@guarded\n@cached\n", 0)):
        project.write(wrapped.replace("@guarded\n", order, 1))
        assert project.run("lock", "--baseline")[0] == 0
        done, told = project.run("check")
        assert (done, "shop.cached stands above the view that proves" in told) == (
            status,
            status == 1,
        )


def test_a_reviewer_sees_what_got_weaker(project: Project) -> None:
    """A guarded route that is public now: told as text and Markdown, with a status that a pipeline stops at."""
    project.run("lock", "--baseline")
    project.commit()
    text = APP.replace("LOCK", "None").replace(
        "@guarded\ndef me(me: Me)", '@Public("anybody")\ndef me()'
    )
    project.write(text)
    assert project.run("lock")[0] == 0
    status, told = project.run("diff", "HEAD", "--format", "md")
    assert status == 1
    assert "### Weaker (1)\n\n* `route GET /me`: `guarded: shop me.read -> public: anybody`" in told
    log = json.loads(project.run("diff", "HEAD", "--format", "sarif")[1])["runs"][0]
    (result,) = log["results"]
    assert (result["ruleId"], result["level"]) == ("lock_weaker", "warning")
    assert log["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "lock_weaker"
    assert project.run("diff", "nowhere")[0] == 2
    assert project.run("diff", "--", "--output=x")[0] == 2
    assert not (project.folder / "x").exists()


def test_a_guarded_application_reads_its_baseline_from_the_lock(project: Project) -> None:
    """With lock= the legacy route is served and no other; without the file nothing is served, and `lock` writes it."""
    project.run("lock", "--baseline")
    asks = "import shop; print(shop.app.test_client().get('/old').text)"

    def served() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", asks],
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    for tail, is_legacy in (("", True), (NAKED, False)):
        project.write(APP.replace("LOCK", '"pratique.lock"') + tail)
        done = served()
        assert (done.stdout.strip() == "old") is is_legacy
        assert ("/new is naked" in done.stderr) is not is_legacy
    (project.folder / "pratique.lock").unlink()
    assert "lock='pratique.lock' isn't there" in served().stderr
    assert project.run("lock", "--baseline")[0] == 0
    assert served().stdout.strip() == "old"


def test_a_secret_that_is_not_here_is_stood_in_for(project: Project) -> None:
    """A pipeline has no secrets: the lock is the same; with --no-stand-ins the debt is told."""
    webhook = """
from pratique import stores
from pratique.webhook import Webhook, providers
perimeter = Perimeter(store=stores.memory())
hook = perimeter.declare(Webhook("hook", providers.stripe(secrets=Secret.env("HOOK"), livemode=True)))
hook.on("invoice.paid", confirm=lambda e: e, link=lambda i: i, once=lambda i: i, allow=lambda i, s: True)(lambda p: None)
"""
    project.write("from pratique import Perimeter, Secret\n" + webhook)
    assert project.run("lock", app="shop:perimeter") == (0, "pratique.lock: no routes\n")
    assert project.run("check", app="shop:perimeter")[0] == 0
    status, told = project.run("check", "--no-stand-ins", app="shop:perimeter")
    assert status == 1
    assert "Secret HOOK is not set" in told


@pytest.mark.parametrize("app", ["", "nowhere:app", "shop:nothing", "os:path"])
def test_an_application_that_is_not_there_is_told(project: Project, app: str) -> None:
    """No name, no module, no attribute, something else: a sentence and status 2, no traceback."""
    status, told = project.run("routes", app=app)
    assert status == 2
    assert "Traceback" not in told
    assert project.run("routes")[0] == 0


DJANGO = """
SECRET_KEY, ROOT_URLCONF, DEBUG, USE_TZ = "k" * 50, "urls", False, True
MIDDLEWARE = ["pratique.integrations.django.Guard"]
PRATIQUE = {"PERIMETER": "boundaries.perimeter"}
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
from pratique.integrations.django import Public
urlpatterns = [
    path("health/", Public("says only that the process runs")(lambda request: HttpResponse("ok"))),
    path("old/", lambda request: HttpResponse("old")),
]
"""


def start_of(folder: Path) -> str:
    """Return what a start of the Django project says."""
    asks = "from django.core.wsgi import get_wsgi_application as start; start()"
    done = subprocess.run(
        [sys.executable, "-c", asks],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder)},
    )
    return done.stderr


def test_a_django_project_is_named_django(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings tell the rest; without settings it is told what is missing."""
    head, _, _ = APP.partition("Me = ")
    declared = head.replace("from flask import Flask\n", "").replace(
        "from pratique.integrations.flask import Pratique, Public, called, guarded\n", ""
    )
    declared += 'shop.action("me.read")\n'
    for name, text in (("boundaries", declared), ("settings", DJANGO), ("urls", URLS)):
        (project.folder / f"{name}.py").write_text(text)
    status, told = project.run("routes", app="django")
    assert status == 2
    assert "DJANGO_SETTINGS_MODULE" in told
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings")
    assert "* /old/: a new naked route" in project.run("lock", app="django")[1]
    locked = DJANGO.replace('"}', '", "LOCK": "pratique.lock"}')
    (project.folder / "settings.py").write_text(locked)
    how = "DJANGO_SETTINGS_MODULE=settings pratique lock --baseline --app django"
    assert how in start_of(project.folder)
    assert project.run("lock", "--baseline", app="django")[0] == 0
    assert start_of(project.folder) == ""
    status, told = project.run("routes", app="django")
    assert [line.split()[0] for line in told.splitlines()] == ["public", "legacy"]
    assert project.run("check", app="django")[0] == 0
