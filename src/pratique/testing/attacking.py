"""Sends the attacks on one kind of claim, and looks at what was recorded of each."""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

from pratique.client import attacks as client
from pratique.core.attack import Attack, Request
from pratique.core.boundary import Boundary
from pratique.core.callback import Callback
from pratique.core.decision import Decision
from pratique.core.event import Outcome, Record
from pratique.core.obligation import Obligation
from pratique.core.question import IGNORE, LATER
from pratique.core.refusal import Refused
from pratique.fetch import Fetch, FetchPolicy
from pratique.fetch import attacks as fetch
from pratique.forwarded import Forwarded
from pratique.forwarded import attacks as forwarded
from pratique.partner import attacks as partner
from pratique.service import attacks as service
from pratique.webhook import Webhook
from pratique.webhook import attacks as webhook

from .app import Send, sending
from .crossings import Crossings
from .delivery import live_secret
from .edges import try_edge
from .examples import Counterexample, Example, Honest, Hop, Question

HONEST: Final = "honest"
"""The name of the item that sends the example alone: it must be admitted."""
_ADMITTED: Final = frozenset({Outcome.PROVEN, Outcome.DUPLICATE})
_BAD: Final = frozenset(
    {Outcome.PROVEN, Outcome.WOULD_ADMIT, Outcome.WOULD_REFUSE, Outcome.EFFECT_FAILED}
)
"""What a boundary only observes went through."""
_AN_ERROR: Final = 400
_DONE_BEFORE: Final = (
    ". An earlier run did it: let the example, or a fixture, begin with a database of its own"
)
_HOST, _PORT = "allowed.test", 8099


class Doesnt(Exception):
    """No attack of this id can be made of the example."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One item: the attacks of one id on one example.

    Args:
        example: The honest one.
        id: Of the attacks; `HONEST` for none.
    """

    example: Example
    id: str

    def run(self, told: object, app: object) -> None:
        """Send the attacks, and the honest one that must be admitted.

        Args:
            told: What the example returned.
            app: The application or a client of it; not used for what goes out. None for a
                forwarded boundary that is asked by itself.

        Raises:
            AssertionError: an attack is admitted, or nothing tells that it was refused; the honest
                one isn't admitted.
            Doesnt: none can be made of it.
        """
        boundary = self.example.boundary
        if boundary.kind == "forwarded":
            attacks = cast("list[forwarded.Attack]", _of(boundary, self.id))
            made = try_edge(cast("Forwarded", boundary), attacks, cast("Hop", told), app)
            if attacks and not made:
                raise Doesnt(f"{self.id} comes through a proxy, and there is none")
        elif boundary.kind == "fetch":
            _fetch(cast("Fetch", boundary), self.id, cast("str", told))
        elif boundary.kind == "partner":
            _ask(boundary, self.id, cast("Question", told))
        else:
            with sending(app) as send:
                _knock(self.example, self.id, told, send)


def attack_ids(boundary: Boundary) -> tuple[str, ...]:
    """Return the ids of the attacks on a kind of boundary, sorted."""
    return tuple(sorted({attack.id for attack in _ATTACKS[boundary.kind]}))


def counterexamples_of(example: Example) -> list[Counterexample]:
    """Return what a webhook's `on(counterexample=…)` declares of a claim: the async ones too.

    The start runs those that it can run without a loop.
    """
    boundary = example.boundary
    if not isinstance(boundary, Webhook):
        return []
    return [
        Counterexample(_without_session(each.allow), each.counterexample)
        for each in boundary.registrations
        if example.claim in each.types and each.allow is not None and each.counterexample
    ]


def _without_session(allow: Callback) -> Callable[..., Any]:
    return partial(_handed_none, allow.call) if allow.wants_session else allow.call


def _handed_none(call: Callable[..., Any], *arguments: object) -> object:
    return call(*arguments, None)


def says_no(judge: Callable[..., Any], arguments: Sequence[object]) -> bool:
    """Say whether a callable refuses what it must refuse."""
    try:
        told: Any = judge(*arguments)
        if inspect.isawaitable(told):
            told = asyncio.run(_awaited(told))
    except Refused:
        return True
    if isinstance(told, Decision):
        return told.is_allowed is False
    return told is None or told is False or told is LATER or told is IGNORE


async def _awaited(told: Any) -> object:
    return cast("object", await told)


def _knock(example: Example, id: str, told: object, send: Send) -> None:
    """Send a webhook's, a client's or a service's attacks to the application."""
    boundary = example.boundary
    proven = {proof.obligation for proof in example.declaration.proofs}
    given = told if isinstance(told, Honest) else Honest(_request(told))
    honest = _known(example, given)
    made = [
        (attack, request)
        for attack in _of(boundary, id)
        if not proven.isdisjoint(attack.refused_by)  # what is waived refuses nothing
        and (request := attack.made(honest)) is not None
    ]
    if id != HONEST and not made:
        raise Doesnt(f"{id} can't be made of the example of {boundary.name} {example.claim}")
    for attack, request in made:
        if not attack.is_second:
            _refused(boundary, attack, *_sent(boundary, request, send))
    status, records = _sent(boundary, given.request, send)
    outcomes = {record.outcome for record in records}
    wanted = _ADMITTED if id != HONEST else {Outcome.PROVEN}
    if status >= _AN_ERROR or not outcomes & wanted or not outcomes <= _ADMITTED:
        again = _DONE_BEFORE if outcomes == {Outcome.DUPLICATE} else ""
        raise AssertionError(f"the honest example isn't admitted: {_seen(status, records)}{again}")
    for attack, request in made:
        if attack.is_second:
            _refused(boundary, attack, *_sent(boundary, request, send))


def _request(told: object) -> Request:
    if isinstance(told, Request):
        return told
    raise TypeError(
        f"the example returns {type(told).__name__}, not a Request: delivery(…).to(path), "
        "Request(method, target, content, fields), or Honest(request, foreign=…)."
    )


def _known(example: Example, given: Honest) -> object:
    boundary = example.boundary
    if boundary.kind == "client":
        return client.Honest(given.request, given.foreign)
    if boundary.kind == "service":
        return service.Honest(given.request, given.foreign)
    hooks = cast("Webhook", boundary)
    at = boundary.perimeter.clock() if boundary.perimeter is not None else datetime.now(UTC)
    return webhook.Honest(given.request, hooks, example.secret or live_secret(hooks), at)


def _sent(boundary: Boundary, request: Request, send: Send) -> tuple[int, list[Record]]:
    with Crossings.heard() as heard:
        status = send(request)
    return status, heard.of(boundary)


def _refused(boundary: Boundary, attack: Attack, status: int, records: list[Record]) -> None:
    """Require that a door refused an attack by what it is refused by."""
    what = f"{attack.id} {attack.title}"
    if not records:
        raise AssertionError(
            f'{what}: the answer has status {status}, and nothing crossed at "{boundary.name}": '
            "the path is another one's, or unguarded."
        )
    if any(record.outcome in _BAD for record in records):
        raise AssertionError(f"{what} is admitted: {_seen(status, records)}")
    if not any(record.obligation in attack.refused_by for record in records):
        wanted = " or ".join(attack.refused_by)
        raise AssertionError(f"{what} isn't refused by {wanted}: {_seen(status, records)}")


def _seen(status: int, records: Iterable[Record]) -> str:
    told = "; ".join(
        f"{r.outcome} {r.obligation} [{r.code}] {r.detail}".replace("  [] ", "") for r in records
    )
    return f"status {status}, recorded: {told or 'nothing'}"


def _of(boundary: Boundary, id: str) -> list[Any]:
    return [attack for attack in _ATTACKS[boundary.kind] if attack.id == id]


def _fetch(boundary: Fetch, id: str, url: str) -> None:
    """Hand the room's URLs to a fetch boundary; what its policy names is what they imitate."""
    host = _named(boundary.policy)
    if id in ("FT-10", "FT-11") and not host:
        raise Doesnt(f"{id} imitates a host that the policy names, and it names none")
    for attack in cast("list[fetch.Attack]", _of(boundary, id)):
        _fetch_refused(boundary, attack, attack.at(host=host or _HOST, port=_PORT))
    try:
        boundary.get(url)
    except Refused as refused:
        raise AssertionError(f"the honest example isn't admitted: {refused}") from None


def _named(policy: FetchPolicy) -> str:
    """Return a host that a policy names, "" where it names none whole."""
    return next((h for h in sorted(policy.hosts) if "*" not in h and not _is_address(h)), "")


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _fetch_refused(boundary: Fetch, attack: fetch.Attack, url: str) -> None:
    try:
        boundary.get(url)
    except Refused as refused:
        # A name that nobody knows where the tests run is led nowhere either.
        if refused.obligation is attack.obligation or refused.code == "unknown_host":
            return
        raise AssertionError(
            f"{attack.id} {attack.title} isn't refused by {attack.obligation}: {refused}"
        ) from None
    raise AssertionError(f"{attack.id} {attack.title} is admitted: it was fetched.")


def _ask(boundary: Boundary, id: str, question: Question) -> None:
    """Let the fake partner give the room's answers to one question."""
    honest = partner.Honest(question.answer, question.number, question.choice)
    for attack in cast("list[partner.Attack]", _of(boundary, id)):
        question.partner.answers(
            attack.content(honest), path=question.path, status=attack.status, fields=attack.fields
        )
        _not_believed(attack, question)
    question.partner.answers(honest.text(), path=question.path)
    try:
        question.ask()
    except Refused as refused:
        raise AssertionError(f"the honest example isn't admitted: {refused}") from None


def _not_believed(attack: partner.Attack, question: Question) -> None:
    before = len(question.partner.asked)
    try:
        question.ask()
    except Refused as refused:
        if len(question.partner.asked) == before:
            raise AssertionError(
                f"{attack.id} {attack.title}: the partner wasn't asked: {refused}"
            ) from None
        if refused.obligation is attack.obligation or refused.obligation is Obligation.LINKED:
            return
        raise AssertionError(
            f"{attack.id} {attack.title} isn't refused by {attack.obligation}: {refused}"
        ) from None
    raise AssertionError(f"{attack.id} {attack.title} is believed.")


_ATTACKS: Final[dict[str, Sequence[Any]]] = {
    "webhook": webhook.ATTACKS,
    "client": client.ATTACKS,
    "service": service.ATTACKS,
    "fetch": fetch.ATTACKS,
    "partner": partner.ATTACKS,
    "forwarded": forwarded.ATTACKS,
}
