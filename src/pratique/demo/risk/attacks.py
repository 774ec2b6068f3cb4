"""Honest answers and attacks as data: what the partner says, what the order may be afterwards."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pratique.demo.network import Answers
from pratique.demo.wire import Script

from . import orders
from .target import ADDRESS, INTERNAL_URL, Target

HOSTILE = "x', amount = 1, role = 'admin' --<script>{{7*7}}</script>../../etc/passwd"
UNDECIDED = frozenset({"new", "review"})
"""States in which nothing has been believed: untouched, or a person looks."""
INERT = UNDECIDED | {"approve"}
"""Where the answer is honest beside what is hostile in it."""
Say = Callable[["Target", str], Script]
"""(API, order) -> what its partner answers to the question about that order."""


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What the partner says.
        says: Its answers, one after the other.
        states: In which of them the order may be afterwards.
        order: What is changed in our own row before.
        note: What may stand in the order's note afterwards, beside nothing.
        names: What names lead to meanwhile.
        may_be_asked: Whether who answers may see the question.
    """

    id: str
    title: str
    says: Sequence[Say]
    states: frozenset[str] = UNDECIDED
    order: Mapping[str, object] = field(default_factory=dict[str, object])
    note: str = ""
    names: Mapping[str, Answers] = field(default_factory=dict[str, Answers])
    may_be_asked: bool = True

    def run(self, target: Target, order: str) -> bool:
        """Play it about that order, and say whether the API was sound."""
        orders.change(target.path, order, self.order)
        before = target.order(order)
        target.name(self.names)
        for say in self.says:
            target.decide(order, say(target, order))
        after = target.order(order)
        is_kept = all(after[name] == before[name] for name in ("customer", "amount", "role"))
        is_inert = after["note"] in {"", self.note}
        trouble = target.trouble(may_be_asked=self.may_be_asked)
        return not trouble and is_kept and is_inert and after["state"] in self.states


def answer(about: str, /, **changed: Any) -> dict[str, Any]:
    """Return an honest answer with something else in it."""
    now = datetime.now(UTC).isoformat()
    honest = {"order": about, "score": 12, "verdict": "approve", "note": "", "as_of": now}
    return {**honest, **changed}


def _says(**changed: Any) -> Say:
    return lambda _, order: {"content": json.dumps(answer(order, **changed))}


def _aged(age: timedelta) -> Say:
    def say(_: Target, order: str) -> Script:
        then = (datetime.now(UTC) - age).isoformat()
        return {"content": json.dumps(answer(order, as_of=then))}

    return say


def _with(**script: Any) -> Say:
    """Approve in every word, and do something else beside it."""
    return lambda _, order: {"content": json.dumps(answer(order)), **script}


def _raw(change: Callable[[str], bytes], **script: Any) -> Say:
    """Approve in other bytes."""

    def say(_: Target, order: str) -> Script:
        return {"content": change(json.dumps(answer(order))).decode("latin-1"), **script}

    return say


def _replaced(old: str, new: str) -> Say:
    return _raw(lambda text: text.replace(old, new).encode())


def _redirect(target: Target, order: str) -> Script:
    where = f"http://127.0.0.1:{target.canary.port}/approve?order={order}"
    return {"content": "", "status": 302, "fields": {"Location": where}}


def _shows(file: str) -> Say:
    def say(target: Target, order: str) -> Script:
        certificate = str(target.path.with_name(file))
        return {"content": json.dumps(answer(order)), "certificate": certificate}

    return say


def _echo(status: int) -> Say:
    def say(target: Target, order: str) -> Script:
        note = f"{target.key} {INTERNAL_URL}"
        return {"content": json.dumps(answer(order, note=note)), "status": status}

    return say


def _error_under_200(_: Target, order: str) -> Script:
    error = {"code": "no_such_order"}
    return {"content": json.dumps(answer(order, error=error))}


ATTACKS = (
    Attack("H-1", "approve, with a low score", [_says()], frozenset({"approve"})),
    Attack("H-2", "review", [_says(verdict="review", score=60)], frozenset({"review"})),
    Attack("H-3", "decline", [_says(verdict="decline", score=99)], frozenset({"decline"})),
    Attack(
        "H-4",
        "approve, and a name with an apostrophe",
        [_says(note="O'Brien")],
        frozenset({"approve"}),
        note="O'Brien",
    ),
    Attack(
        "H-5",
        "approve, packed",
        [_raw(lambda t: gzip.compress(t.encode()), fields={"Content-Encoding": "gzip"})],
        frozenset({"approve"}),
    ),
    Attack("H-6", "approve, of an hour ago", [_aged(timedelta(hours=1))], frozenset({"approve"})),
    Attack("UP-01", "a verdict that nobody declared", [_says(verdict="refunded")]),
    Attack("UP-02", "SQL, HTML and a path in its note", [_says(note=HOSTILE)], INERT, note=HOSTILE),
    Attack(
        "UP-03",
        'approve; its score -1, 1e309, "12,5", true, null',
        [
            _replaced('"score": 12', f'"score": {n}')
            for n in ("-1", "1e309", '"12,5"', "true", "null")
        ],
    ),
    Attack(
        "UP-04",
        "role, amount and customer beside its answer",
        [_says(role="admin", amount=1, customer="cus_of_the_attacker")],
        INERT,
    ),
    Attack("UP-05", "approve, about another order", [_says(order="o_of_another")]),
    Attack("UP-06", "approve, with a score of 101", [_says(score=101)]),
    Attack("UP-06", "approve, with a score of 97", [_says(score=97)]),
    Attack(
        "UP-06", "approve, for an order over our own limit", [_says()], order={"amount": 900_000}
    ),
    Attack(
        "UP-06",
        "approve, for an order that was cancelled",
        [_says()],
        frozenset({"cancelled"}),
        order={"state": "cancelled"},
    ),
    Attack("UP-07", "approve and an error, under status 200", [_error_under_200]),
    Attack(
        "UP-07",
        "status 204, then 202 without content",
        [_with(content="", status=204), _with(content="", status=202)],
    ),
    Attack("UP-07", "approve, as text/html", [_with(fields={"Content-Type": "text/html"})]),
    Attack("UP-07", "approve, cut off in the middle", [_raw(lambda t: t[:-20].encode())]),
    Attack(
        "UP-07",
        "decline and approve in one answer",
        [_replaced('"verdict": "approve"', '"verdict": "decline", "verdict": "approve"')],
    ),
    Attack("UP-07", "approve, in UTF-16", [_raw(lambda t: t.encode("utf-16"))]),
    Attack("UP-08", "redirected to a service of ours", [_redirect]),
    Attack(
        "UP-08",
        "the partner's name leads inside",
        [_says()],
        names={orders.HOST: [["10.0.0.7", ADDRESS]]},
    ),
    Attack(
        "UP-09", "a certificate that it signed itself", [_shows("self.pem")], may_be_asked=False
    ),
    Attack("UP-09", "the certificate of another host", [_shows("other.pem")], may_be_asked=False),
    Attack("UP-10", "silent for 10 s", [_with(trick="stall")]),
    Attack("UP-10", "ten bytes a second", [_with(trick="drip")]),
    Attack("UP-10", "64 MB", [_with(trick="big")]),
    Attack("UP-11", "it hangs up", [_with(trick="hang_up")]),
    Attack("UP-11", "approve, under status 503 and 500", [_with(status=503), _with(status=500)]),
    Attack("UP-11", "its name is gone", [_says()], names={orders.HOST: [[]]}),
    Attack("UP-12", "our key and an inner URL in an error", [_echo(500), _echo(404)]),
    Attack("UP-12", "our key and an inner URL in its note", [_echo(200)]),
    Attack("UP-13", "an honest answer of the day before yesterday", [_aged(timedelta(days=2))]),
    Attack("UP-13", "an answer of tomorrow", [_aged(timedelta(days=-1))]),
)
LEFT_OUT: dict[str, str] = {}
"""Attacks of the catalogue that this table doesn't send, each with why."""
