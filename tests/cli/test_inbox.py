"""`pratique inbox`: what is kept is listed, shown without harm, replayed, parked and worked."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pratique import Claim, Fields, Refused
from pratique.cli.commands import app
from pratique.cli.wording import plain
from pratique.webhook import Worker
from tests import django_site
from tests.shop import delivery

MODULE = """
import sqlite3
import psycopg
from pratique import Perimeter, Secret, stores
from pratique.integrations.django import store as django_store
from pratique.webhook import Inbox, Webhook, providers
from tests.shop import SECRET

perimeter = Perimeter(store=stores.sqlite3(lambda: sqlite3.connect("kept.db")))
told, paid = [], set()
payments = perimeter.declare(
    Webhook("payments", providers.stripe(secrets=Secret(SECRET, name="main")), inbox=Inbox())
)
payments.on(
    "invoice.paid",
    confirm=lambda event: event.object_id if event.object_id in paid else None,
    once=lambda name: name, link=lambda name: name, allow=lambda name, row: True,
)(lambda done: None)
payments.tell(told.append)
none = Perimeter()
other = Perimeter(store=stores.sqlite("other.db"))
down = Perimeter(store=stores.sqlite("/nowhere/kept.db"))
"""
STORE = 'stores.sqlite3(lambda: sqlite3.connect("kept.db"))'
STORES = {
    "sqlite3": STORE,
    "redis": "stores.redis({redis_url!r})",
    "postgres-async": "stores.postgres({pg_url!r}, connection=psycopg.AsyncConnection)",
    "django": "django_store()",
}
HOSTILE = '{"id": "evt_1", "type": "invoice.paid", "note": "\x7f\u202e\x9b2J"}'


@pytest.fixture(
    params=[
        "sqlite3",
        pytest.param("redis", marks=pytest.mark.server),
        pytest.param("postgres-async", marks=pytest.mark.server),
        pytest.param("django", marks=pytest.mark.server),
    ]
)
def module(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """Return an application's module, in a folder of its own."""
    names = re.findall(r"\w+_url", STORES[request.param])
    urls = {name: request.getfixturevalue(name) for name in names}
    text = MODULE.replace(STORE, STORES[request.param].format(**urls))
    known = nullcontext()
    if request.param == "django":
        url = request.getfixturevalue("pg_url")
        known = django_site.databases(default=django_site.postgresql(url))
    with known:
        if request.param == "django":
            django_site.migrate(with_shop=False)
        yield imported(text, tmp_path, monkeypatch)


def imported(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a module of this text, as the application that the commands look at."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    name = f"kept_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PRATIQUE_APP", f"{name}:perimeter")
    from importlib import import_module

    return import_module(name)


def run(*arguments: str) -> Any:
    """Run the command."""
    return CliRunner().invoke(app, ["inbox", *arguments])


def keep(module: Any, *invoices: str, **more: Any) -> None:
    """Let the endpoint take deliveries in."""
    asyncio.run(kept(module, *invoices, **more))


async def kept(module: Any, *invoices: str, **more: Any) -> None:
    """Do the same on an event loop."""
    async with module.perimeter:
        for invoice in invoices:
            now = datetime.now(UTC)
            content, fields = delivery(f"evt_{invoice}", invoice=invoice, at=now, **more)
            claim = Claim(content, Fields(fields), now)
            with pytest.raises(Refused, match="received"):
                await module.perimeter.aadmit(module.payments, claim)


def ids(*arguments: str) -> list[str]:
    """Return the ids of a list."""
    return [line.split()[0] for line in run("list", *arguments).output.splitlines()]


def test_dead_letters_are_listed_and_replayed(module: Any) -> None:
    """Hole 22: a mismatch is seen, and worked again once its cause is mended."""
    keep(module, "in_1", "in_2")
    assert run("work", "--once").output == "2 deliveries were worked\n"
    lines = run("list", "--state", "dead", "--boundary", "payments").output.splitlines()
    assert len(lines) == 2
    assert all("payments" in line and "not_confirmed" in line for line in lines)
    module.paid.update(("in_1", "in_2"))
    assert run("replay", "--dead", "payments").output == "2 deliveries will be worked again\n"
    assert run("work", "--once").output == "2 deliveries were worked\n"
    assert ids("--state", "dead") == []
    assert len(ids("--state", "done")) == 2
    done = ids()[0]
    assert run("replay", done).exit_code == 1


@pytest.mark.parametrize("module", ["sqlite3"], indirect=True)
def test_a_worker_says_at_its_start_what_it_works(module: Any, monkeypatch: Any) -> None:
    """Else nobody sees that one runs; with --once it says at its end how many it worked."""

    async def ended(worker: Worker) -> None:
        """Return as after SIGTERM."""

    monkeypatch.setattr(Worker, "arun", ended)
    assert run("work", "--tasks", "2").stderr == "working payments, 2 at once; SIGTERM ends it\n"
    assert run("work", "--once").output == "0 deliveries were worked\n"


def test_another_process_tells_why_and_sweeps(module: Any) -> None:
    """Commands start the store that they ask; an id that isn't there, and a store that is down, are told."""
    keep(module, "in_1")
    run("work", "--once")
    (crossing,) = re.findall(r"not_confirmed, crossing (\S+)", run("show", *ids()).output)
    done = CliRunner().invoke(app, ["why", crossing])
    assert (done.exit_code, "not_confirmed" in done.output) == (0, True), done.output
    assert CliRunner().invoke(app, ["why", "0-1"]).exit_code == 1
    place = f"{module.__name__}:"
    assert CliRunner().invoke(app, ["why", crossing, "--perimeter", f"{place}none"]).exit_code == 1
    down = CliRunner().invoke(app, ["why", crossing, "--perimeter", f"{place}down"])
    assert (down.exit_code, "can't be asked" in down.output) == (1, True)
    swept = CliRunner().invoke(app, ["sweep", f"{place}perimeter"])
    assert (swept.exit_code, swept.output) == (0, "0 keys and contents were deleted\n")


def test_one_is_parked_and_replayed_by_its_id(module: Any) -> None:
    """No worker takes it meanwhile; an id that isn't there is told."""
    module.paid.add("in_1")
    keep(module, "in_1")
    (name,) = ids()
    assert "  due for " in run("list").output
    assert run("park", name).output == "1 delivery is parked\n"
    assert run("work", "--once").output == "0 deliveries were worked\n"
    assert run("replay", name).exit_code == 0
    assert run("work", "--once").output == "1 delivery was worked\n"
    missing = run("park", "0" * 32)
    assert (missing.exit_code, missing.output.splitlines()[0]) == (1, "0 deliveries are parked")


def test_what_came_is_shown_on_demand_and_does_nothing_to_the_terminal(module: Any) -> None:
    """CWE-150: an escape sequence, a C1 control and a turned line are shown as text."""
    keep(module, "in_1", content=HOSTILE.encode())
    (name,) = ids()
    facts = run("show", name).output
    assert "waiting" in facts
    assert "worked      due for" in facts
    assert "Stripe-Signature" in facts
    assert "v1=" not in facts
    assert "evt_1" not in facts
    whole = run("show", name, "--content").output
    assert "evt_1" in whole
    assert "v1=" in whole
    assert "\\x7f\\u202e\\x9b2J" in whole
    assert not set(whole) & {"\x7f", "\u202e", "\x9b"}
    assert plain("a b\x1b[2J") == "a b\\x1b[2J"
    assert run("show", "\x1b[2J").output.count("\x1b") == 0
    assert run("show", "0" * 32).exit_code == 1


@pytest.mark.parametrize("module", ["sqlite3"], indirect=True)
def test_a_sweep_tells_the_queue_of_what_it_forgot(module: Any, monkeypatch: Any) -> None:
    """Due for a minute, and nobody came: told again, once."""
    keep(module, "in_1")
    assert len(module.told) == 1
    assert run("sweep").output == "0 deliveries were told again\n"
    with closing(sqlite3.connect("kept.db")) as db, db:
        db.execute("UPDATE pratique_inbox SET due_ms = 0, changed_ms = 0")
    assert run("sweep").output == "1 delivery was told again\n"
    assert module.told[0] == module.told[1]


def test_what_cannot_be_asked_is_told(module: Any) -> None:
    """Without a store, without an inbox, with a store that is down, with a state that is none."""
    place = f"{module.__name__}:"
    assert run("list", "--app", f"{place}none").exit_code == 2
    assert run("work", "--app", f"{place}other").exit_code == 2
    assert run("list", "--app", f"{place}down").exit_code == 1
    assert run("list", "--state", "asleep").exit_code == 2
    assert run("replay").exit_code == 2
    assert run("list").exit_code == 0
    keep(module, "in_1", "in_2", "in_3")
    first = run("list", "--most", "2")
    assert len(ids("--after", ids()[1])) == 1
    assert "--after" in first.stderr


@pytest.mark.parametrize("module", ["sqlite3"], indirect=True)
@pytest.mark.parametrize(
    "asked", [("show",), ("park",), ("replay",), ("list", "--after"), ("list", "--boundary")]
)
@pytest.mark.usefixtures("module")
def test_an_id_that_is_no_text_is_told(asked: tuple[str, ...]) -> None:
    """What a shell hands on of octets that aren't UTF-8; its twin is text, of a row or of none."""
    refused = run(*asked, "msg_\udcff")
    assert refused.exit_code == 2
    assert "isn't UTF-8" in refused.output
    assert run(*asked, "msg_\u00ff").exit_code != 2


@pytest.mark.parametrize("module", ["sqlite3"], indirect=True)
def test_a_row_that_was_altered_is_listed_and_does_nothing_to_the_terminal(module: Any) -> None:
    """Its state is unknown, its moment none, its texts escaped; the row beside it is as ever."""
    keep(module, "in_1", "in_2")
    name = ids()[0]
    hostile = "state = 9, received_us = 'x', code = 'a' || char(27) || '[2J', brought = x'00'"
    with closing(sqlite3.connect("kept.db")) as db, db:
        db.execute(f"UPDATE pratique_inbox SET {hostile} WHERE id = '{name}'")
    told = run("list").output
    assert told.count("\n") == 2
    assert "unknown  payments  -  0 attempts" in told
    assert "a\\x1b[2J" in told
    assert "\x1b" not in told
    assert ids("--state", "unknown") == [name]
    assert len(ids("--state", "waiting")) == 1
    shown = run("show", name, "--content").output
    assert "state       unknown" in shown
    assert "can't be read" in shown
    assert "\x1b" not in shown
    assert run("replay", name).exit_code == 1
