"""Runs the demonstration: sends everything to all three APIs, prints what each did."""

import secrets
import signal
import tempfile
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path

from pratique.core.checklist import blast_radius, ten_questions
from pratique.core.roots import Goal, minimal_sets
from pratique.events import JsonLines

from .payments import database
from .payments.attacks import ATTACKS, Attack
from .payments.guarded import declared
from .payments.target import Target, body, signed
from .processes import Processes

KINDS = ("vulnerable", "safer", "guarded")


def run_demo(*, keep_serving: bool) -> int:
    """Return 0 only if the guarded API stopped every attack and let everything honest through."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Processes(Path(folder)) as processes:
        secret = "whsec_" + secrets.token_hex(16)
        provider = processes.start("provider", secret, "", database="provider.db") or ""
        targets = [_target(processes, kind, secret, provider) for kind in KINDS]
        rows = [_attacked(attack, number, targets) for number, attack in enumerate(ATTACKS)]
        rows.append(_empty_secret(processes, provider))
        held = _print_table(rows)
        _print_review(str(Path(folder) / "guarded.db"), secret, provider)
        print(f"\n{time.monotonic() - begin:.0f} s. Nothing left the loopback interface.")
        if keep_serving:
            _wait(targets, secret)
        for target in targets:
            target.close()
    return 0 if held else 1


Row = tuple[str, str, bool, list[bool], str]
"""id, title, whether it is honest, whether each API was sound, what stopped it when guarded."""


def _target(processes: Processes, kind: str, secret: str, provider: str) -> Target:
    path = processes.folder / f"{kind}.db"
    database.make(path, len(ATTACKS) + 1)
    url = processes.start(kind, secret, provider, database=path.name)
    if url is None:
        message = f"the {kind} API didn't start"
        raise SystemExit(message)
    return Target(kind, url, path, secret, provider)


def _attacked(attack: Attack, number: int, targets: Sequence[Target]) -> Row:
    sound: list[bool] = []
    stopped = ""
    for target in targets:
        target.answers.clear()
        target.unanswered = 0
        attack.send(target, number)
        state = database.read(target.path, number)
        # What never arrived proves nothing, and none of these may silence the guarded API.
        was_heard = bool(target.answers) and not target.unanswered
        sound.append(state["upgrades"] == attack.sound and (was_heard or target.kind != "guarded"))
        if target.kind == "guarded":
            stopped = _stopped_by(target)
    return attack.id, attack.title, attack.is_honest, sound, stopped


def _stopped_by(target: Target) -> str:
    """Say which obligations refused, in order: from the problem, else from the event."""
    events = JsonLines(f"{target.path}.events.jsonl")
    found: dict[str, None] = {}
    for answer in target.answers:
        if answer.headers.get("content-type") == "application/problem+json":
            problem = answer.json()
            obligation = problem["type"].rpartition(":")[2]
            found[f"{obligation} {problem.get('code', '')}".strip()] = None
            continue
        if answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
            found["rolled back"] = None
            continue
        record = events.find(answer.headers.get("crossing-id", ""))
        if record is not None and record.code:
            found[f"{record.obligation} {record.code}"] = None
    return ", ".join(found)


def _empty_secret(processes: Processes, provider: str) -> Row:
    """Start the two that have a secret with an empty one, and forge with it (hole 5)."""
    sound: list[bool] = [False]  # the vulnerable one has no secret: whoever sends is believed
    for kind in KINDS[1:]:
        path = processes.folder / f"{kind}_empty.db"
        database.make(path, 1)
        url = processes.start(kind, "", provider, database=path.name)
        if url is None:
            sound.append(True)
            continue
        target = Target(kind, url, path, "", provider)
        target.invoice(0)
        target.send(signed(body(0), ""))
        sound.append(target.upgrades(0) == 0)
        target.close()
    return "WH-07", "started with an empty secret, forged with it", False, sound, "refuses to start"


def _print_table(rows: Sequence[Row]) -> bool:
    print(f"{'':<7}{'what is sent':<53}{'vulnerable':<12}{'safer':<12}{'guarded':<12}stopped by")
    for name, title, honest, sound, stopped in rows:
        good, bad = ("through", "WRONG") if honest else ("held", "TRICKED")
        cells = "".join(f"{good if ok else bad:<12}" for ok in sound)
        print(f"{name:<7}{title:<53}{cells}{stopped}")
    attacks = [row for row in rows if not row[2]]
    for place, kind in enumerate(KINDS):
        tricked = sum(not row[3][place] for row in attacks)
        lost = sum(not row[3][place] for row in rows if row[2])
        print(
            f"{kind}: {tricked} of {len(attacks)} attacks succeeded, {lost} honest deliveries wrong"
        )
    print(
        "Read back from each database, never from an answer's status. In WH-08, 09, 12 and 13 the"
    )
    print("safer one sees a forged x-signature: its scheme has no version and no time to attack.")
    return all(row[3][2] for row in rows)


def _print_review(path: str, secret: str, provider: str) -> None:
    perimeter, payments = declared(path, secret, provider)
    perimeter.debts()
    print("\nThe ten questions, answered from the declarations of the guarded API")
    for answered in ten_questions(payments):
        print(f"{answered.number:>2}. {answered.question} [{answered.status}]\n    {answered.text}")
    print("\nBlast radius: what the owner of each root, with honest claims and an account, can do")
    for root, can in blast_radius(payments):
        print(f"    {root:<44}{can}")
    (declaration,) = payments.declarations()
    sets = [" + ".join(sorted(map(str, way))) for way in minimal_sets(declaration, Goal.INVENT)]
    print(
        "If the endpoint secret leaks: its thief signs events, and each is still re-read at the "
        "provider,"
    )
    print("so that alone it invents nothing. To invent a payment takes one of: " + "; ".join(sets))


def _wait(targets: Sequence[Target], secret: str) -> None:
    for target in targets:
        print(f"{target.kind:<12}{target.url}/api/webhooks/payment")
    print(f"secret      {secret}\nCtrl-C ends it.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()
