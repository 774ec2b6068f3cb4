"""Plays the scenario of the orders service: its clients and its neighbours lie to all three."""

import secrets
from functools import partial
from pathlib import Path

from pratique import Perimeter
from pratique.demo.certificates import Authority
from pratique.demo.played import Played, play_each, rows_of
from pratique.demo.processes import Processes
from pratique.demo.review import print_blast_radius, print_questions
from pratique.demo.table import GUARDED, Scenario, stopped_by

from . import rows
from .attacks import ATTACKS, LEFT_OUT, Attack
from .guarded import GATEWAY, ORDERS, REPORTS, guarded_orders, guarded_shop
from .target import Target

NOTES = (
    "Read back are orders and users. The orders services are the guide's (section 6). The middling",
    "shop API looks whose an order is and whether its session was ended, and sends its client's",
    "fields on, before its own.",
)


def play(processes: Processes) -> Scenario:
    """Return the table of the scenario."""
    folder = processes.folder / "orders"
    folder.mkdir()
    authority = Authority(folder)
    shared = {
        "secret": secrets.token_hex(16),
        "seed": secrets.token_bytes(32).hex(),
        "ca": str(authority.path),
    }
    for name, workload in (("gateway", GATEWAY), ("reports", REPORTS), ("certificate", ORDERS)):
        made = authority.issue(f"{name}.pem", ["localhost"], workload=workload)
        shared[name] = str(made)
    played = play_each(partial(_played, processes, folder, shared))
    return Scenario(
        "Orders service behind a gateway: is it believed who the user is?",
        rows_of(played, ATTACKS),
        NOTES,
        LEFT_OUT,
        lambda: _print_review(str(folder / "guarded.db"), shared["seed"]),
        [(one.kind, f"{one.url}/api/admin/orders") for one in played],
        lambda: _apps(folder, shared),
        [folder / f"guarded.db.{name}jsonl" for name in ("events.", "inside.events.")],
    )


def _played(processes: Processes, folder: Path, shared: dict[str, str], kind: str) -> Played:
    """Start one shop with the service behind it, and send both everything."""
    path = str(folder / f"{kind}.db")
    rows.make(path, len(ATTACKS), shared["secret"])
    port = processes.port()
    scheme = "https" if kind == GUARDED else "http"
    settings = {**shared, "path": path, "orders": f"{scheme}://localhost:{port}"}
    service = processes.start("orders", f"{kind}_orders", settings, port=port)
    url = processes.start("orders", f"{kind}_shop", settings)
    if service is None or url is None:
        message = f"the {kind} shop didn't start"
        raise SystemExit(message)
    target = Target(kind, url, settings["orders"], settings)
    played = Played(kind, url)
    for number, attack in enumerate(ATTACKS):
        _attack(played, target, attack, number)
    target.close()
    return played


def _attack(played: Played, target: Target, attack: Attack, number: int) -> None:
    target.answers.clear()
    target.unanswered = 0
    is_sound = attack.run(target, number)
    # What never arrived proves nothing.
    played.sound.append(is_sound and bool(target.answers) and not target.unanswered)
    played.stopped.append(stopped_by(target.answers, target.events))


def _apps(folder: Path, shared: dict[str, str]) -> list[object]:
    settings = {**shared, "path": str(folder / "guarded.db"), "orders": "https://localhost"}
    return [guarded_shop(settings), guarded_orders(settings)]


def _print_review(path: str, seed: str) -> None:
    perimeter: Perimeter = guarded_orders({"path": path, "seed": seed}).state.pratique
    perimeter.debts()
    (orders,) = perimeter.boundaries
    print_questions(orders)
    print_blast_radius(orders)
