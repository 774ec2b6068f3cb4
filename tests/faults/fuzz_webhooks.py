"""Fuzz `open` and `answer` of every sender of a class, beside the senders' own libraries.

    python -m tests.faults.fuzz_webhooks --seconds 300 --scheme-class hmac-body

Nothing but `Refused` leaves them. What opens carries what its sender signed, and has the key of the
honest delivery that it was made of; the sender's library takes it too, or refuses it for a rule
that stands in a table with its reason, and is counted. Honest deliveries open.
"""

import argparse
import re
import secrets
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from msgspec.structs import replace as replaced

from pratique import Claim, Fields, Refused
from pratique.webhook.opened import Opened

from .delivery_mill import Shown, deliveries
from .delivery_parties import ANSWERS, CLASSES, parties, told
from .delivery_readers import reader_of, rules_of, takes
from .figures import Figures, listed, some

DECLARED = "the declared URL counts, where the query of the request is none that could follow it"
Judge = Callable[[Shown], Opened]
Answerer = Callable[[Shown], bytes]


@dataclass
class WebhookFigures(Figures):
    """What a run found. `accepted` counts senders."""

    honest: int = 0
    changed: Counter[str] = field(default_factory=Counter)
    """What was done to deliveries that opened all the same."""
    asked: Counter[str] = field(default_factory=Counter)
    """Libraries that were asked about what opened."""
    stricter: Counter[str] = field(default_factory=Counter)
    """Code of ours, and whose library took the delivery all the same."""
    explained: Counter[str] = field(default_factory=Counter)
    """Whose library refuses what we take, and the rule."""

    def lines(self) -> Iterator[str]:
        """Yield what was counted, a sentence a line."""
        yield from super().lines()
        yield f"honest, and opened: {self.honest}"
        yield f"changed, and opened with the same key: {listed(self.changed)}"
        yield f"opened, and its library was asked: {listed(self.asked)}"
        yield f"refused by us alone: {listed(self.stricter)}"
        yield f"opened by us, and explained: {listed(self.explained)}"


def ours(shown: Shown) -> Opened:
    """Open a delivery."""
    return shown.party.scheme.open(
        shown.claim, secrets=shown.secrets, url=shown.url, **shown.party.pins
    )


def our_answer(shown: Shown) -> bytes:
    """Answer a handshake."""
    return shown.party.scheme.answer(
        shown.claim, secrets=shown.secrets, url=shown.url, **shown.party.pins
    )


def look(shown: Shown, found: WebhookFigures, judge: Judge = ours) -> None:
    """Ask us, and then the sender's own library."""
    found.tried += 1
    try:
        opened = judge(shown)
    except Refused as refused:
        found.refused[refused.code] += 1
        if refused.code == "unreadable":
            found.disagree(f"a defect of the scheme ({refused}): {_told(shown)}")
        elif not shown.how:
            found.disagree(f"an honest one is refused ({refused.code}): {_told(shown)}")
        elif takes(shown) == "":
            found.stricter[f"{refused.code} ({shown.party.name})"] += 1
        return
    except Exception:
        found.disagree(f"{_told(shown)}: {traceback.format_exc(limit=-2)}")
        return
    found.accepted[shown.party.name] += 1
    found.honest += not shown.how
    for why in disagreements(shown, opened, found, judge):
        found.disagree(f"{why}: {_told(shown)}")


def disagreements(
    shown: Shown, opened: Opened, found: WebhookFigures, judge: Judge
) -> Iterator[str]:
    """Yield what is wrong with a delivery that opened."""
    party = shown.party
    signer = {party.another} if "stranger" in shown.how else set(party.secrets)
    if party.secrets and not signer & set(shown.secrets):
        yield "it opens with the secret of somebody who didn't sign it"
    try:
        yield from _unbound(shown, found)
    except Exception as error:  # then it isn't read as the sender's documents have it
        yield f"it isn't in the sender's form ({error!r})"
        return
    before = replace(shown, claim=shown.twin, secrets=tuple(filter(None, signer)), url=party.url)
    try:
        key = judge(before).key
    except Refused:
        key = opened.key  # too late, or early: the mutation let it come at another time
    if key != opened.key and party.scheme.has_key:
        yield "its key isn't that of the honest one"
    elif key != opened.key:
        found.explained[f"{party.name}: another key, below the grade signed"] += 1
    if shown.how:
        found.changed[shown.how[-1]] += 1
    yield from _by_its_library(shown, found)


def _unbound(shown: Shown, found: WebhookFigures) -> Iterator[str]:
    party = shown.party
    if told(party, shown.claim, shown.url) == told(party, shown.twin, party.url):
        return
    if _at_the_root(shown):
        found.explained[f"{party.name}: {DECLARED}"] += 1
    else:
        yield "what the sender signs differs from what it signed"


def _by_its_library(shown: Shown, found: WebhookFigures) -> Iterator[str]:
    why, name = takes(shown), shown.party.name
    if why is None:
        return
    found.asked[name] += 1
    if not why:
        return
    rule = next(rules_of(shown), None)
    if rule is None:
        yield f"its library refuses it ({why})"
    else:
        found.explained[f"{name}: {rule}"] += 1


def _at_the_root(shown: Shown) -> bool:
    """Say whether all that differs is the query of the request."""
    was = shown.claim
    claim = Claim(was.content, was.fields, was.received_at, replaced(was.via, target="/"))
    party = shown.party
    return told(party, claim, shown.url) == told(party, shown.twin, party.url)


def look_at_a_handshake(
    shown: Shown, found: WebhookFigures, answer: Answerer = our_answer, judge: Judge = ours
) -> None:
    """Ask for an answer; nothing in it may open as an event."""
    found.tried += 1
    party, handshake = shown.party, shown.party.scheme.handshake
    try:
        answered = answer(shown)
    except Refused as refused:
        found.refused[refused.code] += 1
        if not shown.how or refused.code == "unreadable":
            found.disagree(f"an honest one is refused, or a defect ({refused}): {_told(shown)}")
        return
    except Exception:
        found.disagree(f"{_told(shown)}: {traceback.format_exc(limit=-2)}")
        return
    found.accepted[party.name] += 1
    found.honest += not shown.how
    if re.fullmatch(ANSWERS[party.name], answered) is None:
        found.disagree(f"its answer holds more than an opaque token: {_told(shown)}")
    if handshake is not None and handshake.is_signed:
        for why in disagreements(shown, judge(shown), found, judge):
            found.disagree(f"{why}: {_told(shown)}")
    for forged in _forged(shown, answered):
        try:
            judge(forged)
        except Refused:
            continue
        found.disagree(f"what it signs opens as an event: {_told(forged)}")


def _forged(shown: Shown, answered: bytes) -> Iterator[Shown]:
    """Yield deliveries made of an answer: the token as the content, the answer as the signature."""
    match = re.search(
        rb"sha256=[A-Za-z0-9+/]{43}=|[0-9a-f]{64}|our_public_key\|[0-9a-f]{40}", answered
    )
    if match is None:
        return
    signature, was = match[0].decode(), shown.claim
    target = was.via.target.partition("?")[2]
    token = re.search(r"(?:crc_token|bt_challenge)=([^&]*)|\"plainToken\": \"([^\"]*)\"", target + was.content.decode("latin-1"))  # fmt: skip
    if token is None:
        return
    text = token[1] or token[2] or ""
    names = sorted(shown.party.signed_names)
    stamp = str(int(was.received_at.timestamp()))
    bodies = [text.encode(), f"bt_signature={signature}&bt_payload={text}".encode()]
    for body in bodies:
        for start in range(12):
            lines = [(name, f"{prefix}{signature}") for name in names for prefix in ("v0=",)]
            plain = [(name, signature) for name in names]
            for chosen in (lines, plain):
                fields = Fields([*chosen, ("x-zm-request-timestamp", text[:start] or stamp)])
                claim = Claim(body[start:], fields, was.received_at)
                yield replace(shown, claim=claim, how=("forged",))


def _told(shown: Shown) -> str:
    claim = shown.claim
    lines = [(name, value[:120]) for name, value in claim.fields]
    return (
        f"{shown.party.name} {'+'.join(shown.how) or 'honest'} {claim.content[:200]!r} {lines} "
        f"at {claim.received_at:%H:%M:%S} url={shown.url!r} {claim.via.method!r} "
        f"{claim.via.target[:80]!r} with {len(shown.secrets)} secrets"
    )


def run(
    kind: str,
    seed: int,
    *,
    count: int | None = None,
    seconds: float | None = None,
    judge: Judge = ours,
    answer: Answerer = our_answer,
) -> WebhookFigures:
    """Fuzz the senders of a class with so many deliveries, or for so long."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the senders' libraries
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    found = WebhookFigures()
    for party in parties(kind):
        reader_of(party.name, is_loaded=True)  # some take seconds to import
    for shown in some(deliveries(kind, seed), count=count, seconds=seconds):
        if kind == "challenge":
            look_at_a_handshake(shown, found, answer, judge)
        else:
            look(shown, found, judge)
    return found


def main() -> int:
    """Run it by hand: one class, or one after the other."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.fuzz_webhooks", description=__doc__
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--scheme-class", choices=CLASSES, action="append")
    given = parser.parse_args()
    failed = 0
    for kind in given.scheme_class or CLASSES:
        print(f"== {kind}, seed {given.seed}", flush=True)
        found = run(kind, given.seed, seconds=given.seconds)
        print(*found.lines(), *(f"  {what}" for what in found.told), sep="\n", flush=True)
        failed |= bool(found.wrong) or not found.accepted
    return failed


if __name__ == "__main__":
    sys.exit(main())
