"""Plays the gateway's scenario: its clients say that they are others, through it and past it."""

import socket
import ssl
from functools import partial
from pathlib import Path

from pratique.demo.certificates import Authority
from pratique.demo.played import Played, play_each, rows_of
from pratique.demo.processes import Processes
from pratique.demo.review import print_blast_radius, print_questions
from pratique.demo.table import Scenario, stopped_by

from . import shop
from .attacks import ATTACKS, LEFT_OUT, Attack
from .guarded import declared, guarded
from .target import Target

NOTES = (
    "Read back are clients, guesses, mails, orders and notes. One gateway stands before each: it",
    "appends to X-Forwarded-For and overwrites X-Forwarded-Proto and the country. The middling API",
    "is Flask behind werkzeug's ProxyFix with all its ones. A field that is stripped refuses",
    "nothing: the request goes on as its sender's own. Nothing beside an attack: the gateway's own",
    "entry was read, from the right; of Origin the API itself has a list.",
)


def can_play() -> bool:
    """Say whether this system has the addresses that the scenario's clients come from: 127/8."""
    try:
        with socket.socket() as probe:
            probe.bind((shop.OFFICE, 0))
    except OSError:
        return False
    return True


def play(processes: Processes) -> Scenario:
    """Return the table of the scenario."""
    folder = processes.folder / "gateway"
    folder.mkdir()
    authority = Authority(folder)
    authority.issue("gateway.pem", [shop.HOST])
    context = ssl.create_default_context(cafile=str(authority.path))
    played = play_each(partial(_played, processes, folder, context))
    return Scenario(
        "Gateway passes X-Forwarded-For: who is believed to say who the client is?",
        rows_of(played, ATTACKS),
        NOTES,
        LEFT_OUT,
        lambda: _print_review(str(folder / "guarded.db")),
        [(one.kind, f"{one.url}/who") for one in played],
        lambda: [guarded(str(folder / "guarded.db"))],
        [folder / "guarded.db.events.jsonl"],
    )


def _played(processes: Processes, folder: Path, context: ssl.SSLContext, kind: str) -> Played:
    """Start one API and the gateway before it, and send both everything."""
    path = folder / f"{kind}.db"
    shop.make(path)
    url = processes.start("gateway", kind, {"path": str(path)})
    if url is None:
        message = f"the {kind} API didn't start"
        raise SystemExit(message)
    tls_port = processes.port()
    settings = {
        "tls_port": tls_port,
        "behind": int(url.rpartition(":")[2]),
        "certificate": str(folder / "gateway.pem"),
    }
    gateway = processes.start("gateway", "gateway", settings)
    if gateway is None:
        message = f"the gateway of the {kind} API didn't start"
        raise SystemExit(message)
    tls = f"https://127.0.0.1:{tls_port}"
    target = Target(url, gateway=gateway, tls=tls, path=path, context=context)
    played = Played(kind, gateway)
    events = Path(f"{path}.events.jsonl")
    for number, attack in enumerate(ATTACKS):
        _attack(played, target, attack, number, events)
    return played


def _attack(played: Played, target: Target, attack: Attack, number: int, events: Path) -> None:
    before = events.stat().st_size if events.exists() else 0
    is_sound, found = attack.run(target, number)
    played.sound.append(is_sound)
    stopped = stopped_by(found.answers, events)
    played.stopped.append(stopped or _stripped(events, before))


def _stripped(events: Path, before: int) -> str:
    """Say whether a field was taken out of a request that went on."""
    if not events.exists():
        return ""
    with events.open("rb") as lines:
        lines.seek(before)
        return "authentic stripped" if b'"stripped"' in lines.read() else ""


def _print_review(path: str) -> None:
    perimeter, edge = declared(path)
    perimeter.debts()
    print_questions(edge)
    print_blast_radius(edge)
