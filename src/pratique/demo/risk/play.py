"""Plays the scenario of the risk score: lets the partner of each API lie in every way."""

import json
import secrets
from functools import partial
from pathlib import Path

from pratique.demo.certificates import Authority
from pratique.demo.played import Played, play_each, rows_of
from pratique.demo.processes import Processes
from pratique.demo.remote import Remote
from pratique.demo.review import print_blast_radius, print_questions
from pratique.demo.table import Scenario, stopped_by

from . import orders
from .attacks import ATTACKS, LEFT_OUT, Attack, answer
from .guarded import declared, guarded
from .target import Target

NOTES = (
    "Read back are the order, the canary and what the partner saw. The guide has no safer sample",
    "of this: the middling one looks at the status and the verdict, and has a timeout.",
)


def play(processes: Processes) -> Scenario:
    """Return the table of the scenario."""
    folder = processes.folder / "risk"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("partner.pem", [orders.HOST])
    authority.issue("other.pem", ["another.example"])
    authority.self_signed("self.pem", [orders.HOST])
    key = f"sk-{secrets.token_hex(16)}"
    played = play_each(partial(_played, processes, folder, key))
    return Scenario(
        "A partner's risk score decides about an order: is its word the last one?",
        rows_of(played, ATTACKS),
        NOTES,
        LEFT_OUT,
        lambda: _print_review(str(folder / "guarded.db"), key),
        [(one.kind, f"{one.url}/api/orders/o_0/decide") for one in played],
        lambda: [guarded(str(folder / "guarded.db"), key)],
        [folder / "guarded.db.events.jsonl"],
    )


def _played(processes: Processes, folder: Path, key: str, kind: str) -> Played:
    """Start one API with a partner and a canary of its own, and let the partner lie."""
    path = folder / f"{kind}.db"
    orders.make(path, len(ATTACKS))
    token = secrets.token_hex(8)
    settings = {
        "path": str(path),
        "key": key,
        "token": token,
        "certificate": str(folder / "partner.pem"),
        "table": str(path.with_suffix(".names")),
        "approval": json.dumps(answer("o_0")),
    }
    partner, canary = (
        Remote(processes.start("risk", one, settings), token) for one in ("partner", "canary")
    )
    port = processes.port()
    target = Target(
        kind,
        f"http://127.0.0.1:{port}",
        path,
        key=key,
        table=path.with_suffix(".names"),
        partner=partner,
        canary=canary,
    )
    target.name({})
    believed = {"SSL_CERT_FILE": str(folder / "ca.pem")}
    if processes.start("risk", kind, settings, port=port, environment=believed) is None:
        message = f"the {kind} API didn't start"
        raise SystemExit(message)
    played = Played(kind, target.url)
    for number, attack in enumerate(ATTACKS):
        _attack(played, target, attack, number)
    target.close()
    return played


def _attack(played: Played, target: Target, attack: Attack, number: int) -> None:
    target.forget()
    is_sound = attack.run(target, f"o_{number}")
    played.sound.append(is_sound and bool(target.answers))
    played.stopped.append(stopped_by(target.answers, Path(f"{target.path}.events.jsonl")))


def _print_review(path: str, key: str) -> None:
    perimeter, risk, _ = declared(path, key)
    perimeter.debts()
    print_questions(risk)
    print_blast_radius(risk)
