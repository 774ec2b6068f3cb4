"""Take each proof of the partner boundary away, or put a no-op in its place: it must not start, or an attack must succeed.

Run: python -m tests.faults.partner_mutants
"""

import gzip
import json
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event
from typing import Any
from unittest.mock import patch

from pratique import Perimeter, Refused
from pratique.fetch import flow as fetching
from pratique.fetch.budget import Budget
from pratique.fetch.wire import pool
from pratique.partner import Partner, UnknownFields, boundary, errand, flow, terms
from pratique.partner import attacks as data
from pratique.partner.answer import AnswerType
from tests.faults.fetch_mutants import believing, network
from tests.faults.noticed import NoOps, Row, deletion, report, with_no_ops, without
from tests.fetch.world import World, reply
from tests.partner.risk import HONEST, KEY, Risk, Score

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
BELIEVED = data.Honest(HONEST, number="score", choice="verdict")
TERMS: dict[str, Any] = {
    "unknown": UnknownFields.REFUSE,
    "limits": lambda score: score.score != 99,
    "confirm": lambda score: score.score != 98,
    "as_of": lambda score: NOON if score.as_of is None else score.as_of,
    "max_age": timedelta(days=1),
}


def _answered(attack: data.Attack) -> Callable[[Risk], None]:
    def answers(risk: Risk) -> None:
        lines = {name.replace("-", "_"): value for name, value in attack.fields.items()}
        risk.answers(attack.content(BELIEVED), attack.status, **lines)

    return answers


def _said(**changed: Any) -> Callable[[Risk], None]:
    return lambda risk: risk.answers({**HONEST, **changed})


def _long(risk: Risk) -> None:
    risk.answers({**HONEST, "more": "x" * 1_100_000})


def _bomb(risk: Risk) -> None:
    content = json.dumps({**HONEST, "more": "x" * 5_000_000}).encode()
    risk.answers(gzip.compress(content), Content_Encoding="gzip")


def _late(risk: Risk) -> None:
    end = Event()

    def slow(connection: Any) -> None:
        end.wait(0.4)
        content = json.dumps(HONEST).encode()
        connection.sendall(reply(200, content, Content_Type="application/json"))

    risk.world.server.raw = slow


def _somebody_else(risk: Risk) -> None:
    risk.world.server.certificate_names = ["evil.test"]


ATTACKS: dict[str, Callable[[Risk], None]] = {
    **{f"{attack.id} {attack.title}": _answered(attack) for attack in data.ATTACKS},
    "UP-05 another order": _said(order="o_2"),
    "UP-06 over our limits": _said(score=99),
    "UP-06 not confirmed": _said(score=98),
    "UP-09 somebody else": _somebody_else,
    "UP-10 too long": _long,
    "UP-10 a bomb": _bomb,
    "UP-10 late": _late,
    "UP-12 our key": _said(note=f"your key is {KEY}"),
    "UP-13 of the day before yesterday": _said(as_of="2026-11-22T12:00:00Z"),
}


def attack(world: World, **more: Any) -> list[str]:
    """Run every attack; return the names of those that were believed."""
    believed: list[str] = []
    for name, run in ATTACKS.items():
        world.server.raw, world.server.certificate_names = None, None
        deadline = timedelta(seconds=0.2 if "late" in name else 5)
        risk = Risk(world, is_async=False, clock=lambda: NOON, deadline=deadline)
        risk.answers()
        run(risk)
        try:
            risk.ask(**{**TERMS, **more})
        except Refused:
            continue
        believed.append(name)
    return believed


def _start(**given: Any) -> None:
    perimeter = Perimeter()
    partner = perimeter.declare(Partner("risk", "https://risk.example"))
    named: dict[str, Any] = {
        "about": {"order": "order"},
        "decides": "x",
        "confirm": lambda _: True,
        **given,
    }
    partner.call("GET /score", Score, **named)
    with perimeter:
        return


def deleted() -> list[Row]:
    """Delete each proof; say what the start says."""
    rows = [deletion("nothing", _start)]
    for obligation in (*sorted(Partner.owes), "confirmed"):
        declared = without(boundary.declaration_of, obligation)
        with patch.object(boundary, "declaration_of", declared):
            rows.append(deletion(obligation, _start))
    rows.append(deletion("about=", partial(_start, about=None)))
    rows.append(deletion("what it is about", partial(_start, about={})))
    return rows


def _anything(_: object, content: bytes) -> Any:
    return types.SimpleNamespace(**{**json.loads(content), "as_of": None}), ()


def _first(self: Any, content: bytes) -> Any:
    return self._read(content), ()


def _without_ours(*args: Any, **named: Any) -> Any:
    return flow.answered(*args, **{**named, "ours": ()})


def _yes(told: Any, *_: object) -> None:
    return None


def mutants() -> NoOps:
    """Return each proof with an attack that it stops, and the no-op for its place."""
    nothing: Any = lambda *_, **__: None  # noqa: E731
    return {
        "the type": ("UP-03 a number that is -1", [patch.object(AnswerType, "read", _anything)], {}),
        "the choice": ('UP-01 a choice that is "escalate"', [patch.object(AnswerType, "read", _anything)], {}),
        "one member of a name": ("UP-07 a member twice", [patch.object(AnswerType, "read", _first)], {}),
        "surplus": ("UP-04 more", [], {"unknown": UnknownFields.OBSERVE}),
        "errors under 200": ("UP-07 an error beside the answer", [patch("pratique.partner.answer._ERRORS", ())], {"unknown": UnknownFields.OBSERVE}),
        "about": ("UP-05 another order", [patch.object(terms, "_repeats", lambda *_: True)], {}),
        "limits": ("UP-06 over our limits", [], {"limits": lambda _: True}),
        "confirm": ("UP-06 not confirmed", [], {"confirm": lambda _: True}),
        "its yes": ("UP-06 not confirmed", [patch.object(flow, "_require", _yes)], {}),
        "as_of": ("UP-13 of the day before yesterday", [patch.object(flow, "_require_recent", nothing)], {}),
        "the status": ("UP-07 the answer under 500", [patch.object(flow, "require_status", nothing)], {}),
        "the media type": ("UP-07 it as a page", [patch.object(flow, "require_type", nothing)], {}),
        "the charset": ("UP-07 another charset", [patch.object(flow, "require_utf8", nothing)], {}),
        "one coding": ("UP-07 two codings", [patch.object(fetching, "decoder_of", nothing)], {}),
        "no secret of ours": ("UP-12 our key", [patch.object(errand, "answered", _without_ours)], {}),
        "the certificate": ("UP-09 somebody else", [patch.object(pool, "tls_context", believing)], {}),
        "the cap of the wire": ("UP-10 too long", [patch.object(Budget, "take", nothing)], {"unknown": UnknownFields.OBSERVE}),
        "the cap of content": ("UP-10 a bomb", [patch.object(fetching.Intake, "_take", nothing)], {"unknown": UnknownFields.OBSERVE}),
        "the deadline": ("UP-10 late", [patch.object(Budget, "left", lambda self: 5.0)], {}),
    }  # fmt: skip


def replaced() -> list[Row]:
    """Replace each proof by a no-op; say which attacks are believed."""
    with network() as world:
        return with_no_ops(mutants(), partial(attack, world))


if __name__ == "__main__":
    raise SystemExit(report(deleted() + replaced()))
