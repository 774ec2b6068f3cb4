"""Three floors: doors know rooms, rooms know the core, rooms are strangers to each other."""

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from pratique import fetch
from pratique.fetch import adapting
from tests.architecture.source import BASE_INSTALL, PACKAGE, ROOT, WEB_FRAMEWORKS, Module, modules

ROOMS = frozenset(
    "webhook service client partner fetch forwarded keys policy stores events".split()
)
DOORS = frozenset("integrations cli demo testing".split())
BELOW_THE_DOORS = ROOMS | {"core", "settings", "unsafe"}


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts of pyproject.toml over the tree at *root*."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "src"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )


def plant(root: Path, planted: dict[str, str]) -> Path:
    """Put our contracts and a package of these files into *root*, with the faces that they need."""
    shutil.copy(ROOT / "pyproject.toml", root)
    package = root / "src" / "pratique"
    for name, text in planted.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        for folder in [path.parent, *path.parent.parents]:
            if folder.is_relative_to(package):
                (folder / "__init__.py").touch()
    return root


def frameworks_below_the_doors(tree: Iterable[Module]) -> Iterator[str]:
    """Yield one sentence for each web framework that floor 1 or 2 imports."""
    for module in tree:
        if module.room in BELOW_THE_DOORS:
            for line, top in module.foreign_imports():
                if top in WEB_FRAMEWORKS:
                    yield f"{module.name}:{line}: imports {top}; a framework is a door's business"


def libraries_in_two_places(tree: Iterable[Module]) -> Iterator[str]:
    """Yield one sentence for each extra library that two places of one room import."""
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    for module in tree:
        if module.room in ROOMS:
            for _, top in module.foreign_imports(at_run_time=True):
                if top not in BASE_INSTALL:
                    place = "/".join(module.name.split("/")[:2])
                    places[module.room, top].add(place)
    for (room, library), where in sorted(places.items()):
        if len(where) > 1:
            yield f"{room}: {', '.join(sorted(where))} import {library}; one file serves it"


def past_the_face_of_fetch(tree: Iterable[Module], shown: frozenset[str]) -> Iterator[str]:
    """Yield one sentence for each thing that a door takes from inside the fetch room.

    Args:
        tree: The modules.
        shown: What the face of the room names.
    """
    for module in tree:
        if module.room not in DOORS:
            continue
        # What is sent against a room is data, for whoever tests: the door of tests sends it too.
        parts = {"adapting", "attacks"} if module.room == "testing" else {"adapting"}
        for line, name in module.imports():
            inside = name.removeprefix("pratique.fetch.")
            if inside != name and inside not in shown and inside.split(".")[0] not in parts:
                yield f"{module.name}:{line}: imports {name}; take it from pratique.fetch.adapting"


def test_the_floors_hold() -> None:
    """Every contract in pyproject.toml is kept."""
    if not (PACKAGE / "__init__.py").exists():
        pytest.skip("no package under src yet")
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_framework_below_the_doors() -> None:
    """Floors 1 and 2 import no web framework, not even inside a function."""
    assert list(frameworks_below_the_doors(modules())) == []


def test_one_file_serves_one_library() -> None:
    """In a room, a library that not every user has is imported in one place alone."""
    assert list(libraries_in_two_places(modules())) == []


def test_a_door_takes_what_the_fetch_room_shows() -> None:
    """`pratique.fetch` for users, `pratique.fetch.adapting` for adapters; the rest may change."""
    assert list(past_the_face_of_fetch(modules(), frozenset(fetch.__all__))) == []


def test_what_adapters_stand_on_is_all_there() -> None:
    """Each name of it is a real one; no other name is made up."""
    assert [name for name in adapting.__all__ if not hasattr(adapting, name)] == []
    assert not hasattr(adapting, "Thorough")


@pytest.mark.parametrize(
    "line",
    [
        "from pratique.fetch.budget import too_slow",
        "from pratique.fetch import budget",
        "import pratique.fetch.wire.pool",
        "def f():\n    from pratique.fetch.shadow import Look",
        "from pratique.fetch import attacks",
    ],
)
def test_a_door_that_reaches_inside_is_found(line: str) -> None:
    """The rule bites, inside a function too; a room, and what is shown, pass."""
    shown = frozenset({"FetchPolicy"})
    door = Module("integrations/a/b.py", f"{line}\n")
    assert list(past_the_face_of_fetch([door], shown)) != []
    good = "from pratique.fetch import FetchPolicy\nfrom pratique.fetch.adapting import Look\n"
    twins = [
        Module("partner/a.py", f"{line}\n"),
        Module("integrations/a.py", good),
        Module("testing/a.py", "from pratique.fetch import attacks\n"),
    ]
    assert list(past_the_face_of_fetch(twins, shown)) == []


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (
            {"core/planted.py": "import pratique.webhook.planted\n", "webhook/planted.py": ""},
            "Three floors.*BROKEN",
        ),
        (
            {"webhook/planted.py": "import pratique.stores.planted\n", "stores/planted.py": ""},
            "Three floors.*BROKEN",
        ),
        (
            {"partner/planted.py": "import pratique.stores.planted\n", "stores/planted.py": ""},
            "A partner's answer.*BROKEN",
        ),
        (
            {"events/planted.py": "import pratique.webhook.planted\n", "webhook/planted.py": ""},
            "Three floors.*BROKEN",
        ),
        (
            {
                "stores/planted.py": "import pratique.integrations.asgi\n",
                "integrations/asgi.py": "",
            },
            "Three floors.*BROKEN",
        ),
        (
            {
                "integrations/flask.py": "import pratique.integrations.django\n",
                "integrations/django.py": "",
            },
            "Doors stand.*BROKEN",
        ),
        ({"lounge/planted.py": ""}, "pratique.lounge"),
    ],
    ids=[
        "core-room",
        "room-room",
        "partner-room",
        "event-room",
        "room-door",
        "door-door",
        "a room on no floor",
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, planted: dict[str, str], said: str) -> None:
    """Each contract bites: the linter would notice."""
    done = lint(plant(tmp_path, planted))
    assert done.returncode != 0
    assert re.search(said, done.stdout), done.stdout + done.stderr


def test_a_door_that_stands_on_asgi_and_on_a_room_passes(tmp_path: Path) -> None:
    """The twin: what the floors are for."""
    planted = {
        "integrations/flask.py": (
            "import pratique.integrations.wsgi\nimport pratique.partner.planted\n"
        ),
        "integrations/wsgi.py": "",
        "partner/planted.py": "import pratique.core.planted, pratique.fetch.planted\n",
        "fetch/planted.py": "",
        "core/planted.py": "",
    }
    done = lint(plant(tmp_path, planted))
    assert done.returncode == 0, done.stdout + done.stderr


def test_planted_libraries_are_found() -> None:
    """A framework in a room and a driver in two files are found; a driver in one file is not."""
    room = Module("webhook/a.py", "def f():\n    from starlette.requests import Request\n")
    assert list(frameworks_below_the_doors([room])) != []
    one, two = Module("stores/a.py", "import psycopg\n"), Module("stores/b.py", "import psycopg\n")
    assert list(libraries_in_two_places([one, two])) != []
    assert list(libraries_in_two_places([one])) == []
