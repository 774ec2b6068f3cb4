"""Plays the scenario of the payment webhook: sends everything to all three APIs."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pratique.demo.played import Played, play_each, rows_of
from pratique.demo.processes import Processes
from pratique.demo.review import print_blast_radius, print_questions, sets_to_invent
from pratique.demo.table import GUARDED, KINDS, Row, Scenario, stopped_by

from . import database
from .attacks import ATTACKS, LEFT_OUT, Attack
from .guarded import declared, guarded
from .target import WEBHOOK, Target, body, signed

NOTES = (
    "Read back from each database, never from an answer's status. In WH-08, 09, 12 and 13 the",
    "safer one sees a forged x-signature: its scheme has no version and no time to attack.",
)


def play(processes: Processes) -> Scenario:
    """Return the table of the scenario."""
    secret = "whsec_" + secrets.token_hex(16)
    played = play_each(partial(_played, processes, secret))
    rows = rows_of(played, ATTACKS)
    provider = played[0].provider
    rows.append(_empty_secret(processes, provider))
    return Scenario(
        "Payment webhook upgrades a subscription: is the event believed?",
        rows,
        NOTES,
        LEFT_OUT,
        lambda: _print_review(str(processes.folder / "guarded.db"), secret, provider),
        (*((one.kind, one.url + WEBHOOK) for one in played), ("its secret", secret)),
        lambda: [guarded(str(processes.folder / "guarded.db"), secret, provider)],
        [processes.folder / "guarded.db.events.jsonl"],
    )


@dataclass(kw_only=True)
class _Delivered(Played):
    """One API under every attack, and its provider."""

    provider: str


def _played(processes: Processes, secret: str, kind: str) -> _Delivered:
    """Start one API with a provider of its own, and send it everything."""
    path = processes.folder / f"{kind}.db"
    database.make(path, len(ATTACKS) + 1)
    provider = processes.start("payments", "provider", {}) or ""
    told = {"path": str(path), "secret": secret, "provider": provider}
    url = processes.start("payments", kind, told)
    if url is None:
        message = f"the {kind} API didn't start"
        raise SystemExit(message)
    target = Target(kind, url, path, secret, provider)
    played = _Delivered(kind, url, provider=provider)
    for number, attack in enumerate(ATTACKS):
        _attack(played, target, attack, number)
    target.close()
    return played


def _attack(played: Played, target: Target, attack: Attack, number: int) -> None:
    target.answers.clear()
    target.unanswered = 0
    attack.send(target, number)
    state = database.read(target.path, number)
    # What never arrived proves nothing, and none of these may silence the guarded API.
    was_heard = bool(target.answers) and not target.unanswered
    is_sound = state["upgrades"] == attack.sound and (was_heard or target.kind != GUARDED)
    played.sound.append(is_sound)
    played.stopped.append(stopped_by(target.answers, Path(f"{target.path}.events.jsonl")))


def _empty_secret(processes: Processes, provider: str) -> Row:
    """Start the two that have a secret with an empty one, and forge with it (hole 5)."""

    def is_sound(kind: str) -> bool:
        path = processes.folder / f"{kind}_empty.db"
        database.make(path, 1)
        told = {"path": str(path), "secret": "", "provider": provider}
        url = processes.start("payments", kind, told)
        if url is None:
            return True
        target = Target(kind, url, path, "", provider)
        target.invoice(0)
        target.send(signed(body(0), ""))
        upgrades = target.upgrades(0)
        target.close()
        return upgrades == 0

    # The vulnerable one has no secret: whoever sends is believed.
    with ThreadPoolExecutor(len(KINDS)) as pool:
        sound = [False, *pool.map(is_sound, KINDS[1:])]
    return Row("WH-07", "started with an empty secret, forged with it", sound, "refuses to start")


def _print_review(path: str, secret: str, provider: str) -> None:
    perimeter, payments = declared(path, secret, provider)
    perimeter.debts()
    print_questions(payments)
    print_blast_radius(payments)
    print(
        "If the endpoint secret leaks: its thief signs events, and each is still re-read at the "
        "provider,"
    )
    print(
        "so that alone it invents nothing. To invent a payment takes one of: "
        + sets_to_invent(payments)
    )
