"""Plays the scenario of the preview: sends every URL to all three APIs."""

import secrets
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pratique.demo.certificates import Authority
from pratique.demo.played import Played, play_each, rows_of
from pratique.demo.processes import Processes
from pratique.demo.remote import Remote
from pratique.demo.review import print_blast_radius, print_questions
from pratique.demo.table import GUARDED, KINDS, Scenario, stopped_by

from .attacks import ATTACKS, LEFT_OUT, Attack
from .guarded import declared, guarded
from .site import HONEST
from .target import Target
from .told import IMAGES, PARTNER, WIKI, Told, make

NOTES = (
    "An API is tricked where the canary was connected to, a secret came out or went to another",
    "host, something was stored that mayn't be, or it took more than 16 MB or 4 seconds.",
)
PROXIED = Attack(
    "FT-18", "started with the proxies of somebody else", [f"https://{IMAGES}/p"], [HONEST]
)


@dataclass(kw_only=True)
class _Previewed(Played):
    """One API under every attack, and what it was told."""

    told: Told


def play(processes: Processes) -> Scenario:
    """Return the table of the scenario."""
    folder = processes.folder / "preview"
    folder.mkdir()
    certificate = Authority(folder).issue("site.pem", [IMAGES, PARTNER, WIKI])
    played = play_each(partial(_played, processes, certificate))
    told = played[KINDS.index(GUARDED)].told
    return Scenario(
        "Image fetch or URL preview: where does the URL lead?",
        rows_of(played, (*ATTACKS, PROXIED)),
        NOTES,
        LEFT_OUT,
        lambda: _print_review(told),
        [(one.kind, f"{one.url}/api/preview") for one in played],
        lambda: [guarded(told)],
        [Path(f"{told.path}.events.jsonl")],
    )


def _played(processes: Processes, certificate: Path, kind: str) -> _Previewed:
    """Start one API with a site and a canary of its own, and send it everything."""
    path = certificate.with_name(f"{kind}.db")
    told = Told(
        str(path),
        marker=f"marker-{secrets.token_hex(8)}",
        key=f"key-{secrets.token_hex(16)}",
        order=f"order-{secrets.token_hex(8)}",
    )
    path.with_suffix(".marker").write_text(told.marker)
    token = secrets.token_hex(8)
    settings = {
        **{name: getattr(told, name) for name in ("path", "marker", "key", "order")},
        "token": token,
        "certificate": str(certificate),
        "table": str(path.with_suffix(".names")),
    }
    site, canary = (
        Remote(processes.start("preview", one, settings), token) for one in ("site", "canary")
    )

    def started(port: int, **environment: str) -> Target:
        target = Target(
            kind,
            f"http://127.0.0.1:{port}",
            told,
            table=path.with_suffix(".names"),
            site=site,
            canary=canary,
        )
        target.name({})
        believed = {"SSL_CERT_FILE": str(certificate.with_name("ca.pem")), **environment}
        if processes.start("preview", kind, settings, port=port, environment=believed) is None:
            message = f"the {kind} API didn't start"
            raise SystemExit(message)
        return target

    make(path)
    target = started(processes.port())
    played = _Previewed(kind, target.url, told=told)
    for number, attack in enumerate(ATTACKS):
        _attack(played, target, attack, number)
    target.close()
    proxies = dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), f"http://127.0.0.1:{canary.port}"
    )
    target = started(processes.port(), **proxies)
    _attack(played, target, PROXIED, len(ATTACKS))
    for party in (target, site, canary):
        party.close()
    return played


def _attack(played: Played, target: Target, attack: Attack, number: int) -> None:
    user = f"user_{number}"
    target.forget()
    attack.run(target, user)
    is_sound = not target.trouble(user) and bool(target.answers)
    if attack.stored is not None:
        is_sound = is_sound and target.stored(user) == list(attack.stored)
    refuses = target.kind in attack.refused_by and not target.stored(user)
    played.sound.append(None if refuses else is_sound)
    played.stopped.append(stopped_by(target.answers, Path(f"{target.told.path}.events.jsonl")))


def _print_review(told: Told) -> None:
    perimeter, previews = declared(told)
    perimeter.debts()
    print_questions(previews)
    print_blast_radius(previews)
