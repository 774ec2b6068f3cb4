"""The attacks on a forwarded boundary: what an outsider says, straight or through the proxy."""

from collections.abc import Sequence
from dataclasses import dataclass

from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import Refused
from pratique.forwarded import Forwarded
from pratique.forwarded.attacks import Attack
from pratique.forwarded.boundary import Judged
from pratique.forwarded.policy import FORWARDED, LIST

from .examples import Hop

Lines = tuple[tuple[str, str], ...]
_APPENDED = frozenset({FORWARDED, LIST})


@dataclass(frozen=True, slots=True)
class _Said:
    """What arrives: from whom, and which lines."""

    peer: str
    lines: Lines


def try_edge(boundary: Forwarded, attacks: Sequence[Attack], hop: Hop) -> int:
    """Let a boundary judge the attacks, and the honest request; return how many could be made.

    Raises:
        AssertionError: one makes the outsider somebody else, or reaches the application, or isn't
            refused with its code; the honest request isn't seen as its client's.
    """
    made = 0
    for attack in attacks:
        said = _said(boundary, attack, hop)
        if said is not None:
            made += 1
            _require_nobody_else(boundary, attack, said, hop)
    try:
        judged = _judged(boundary, _Said(hop.proxy or hop.client, hop.fields))
    except Refused as refused:
        raise AssertionError(f"the honest example isn't admitted: {refused}") from None
    if judged is None or judged.origin.client != hop.client:
        raise AssertionError("the honest example isn't seen as its client's.")
    return made


def _said(boundary: Forwarded, attack: Attack, hop: Hop) -> _Said | None:
    """Return what arrives of an attack; None where it can't be sent."""
    policy = boundary.policy
    own = {name.lower(): value for name, value in hop.fields}
    host = (("Host", attack.host or own.get("host", "")),)
    if attack.way == "direct":
        return _Said(hop.client, (*host, *attack.fields))
    if not hop.proxy or (attack.host and policy.host is not None):
        return None  # no proxy, or one that writes the host by itself
    written = [line for line in hop.fields if line[0].lower() not in (*_APPENDED, "host")]
    taken = {name.lower() for name, _ in written}
    passed = [line for line in attack.fields if line[0].lower() not in (*taken, *_APPENDED)]
    for name, value in hop.fields:
        if name.lower() in _APPENDED:
            before = [said for other, said in attack.fields if other.lower() == name.lower()]
            written.append((name, ", ".join([*before, value])))
    # What the proxy doesn't append to goes through it, as what it doesn't know does.
    passed += [
        line for line in attack.fields
        if line[0].lower() in _APPENDED and line[0].lower() not in own
    ]  # fmt: skip
    return _Said(hop.proxy, (*host, *passed, *written))


def _require_nobody_else(boundary: Forwarded, attack: Attack, said: _Said, hop: Hop) -> None:
    what = f"{attack.id} {attack.title}"
    try:
        judged = _judged(boundary, said)
    except Refused as refused:
        if refused.code == attack.code:
            return
        wanted = f"with code {attack.code}" if attack.code else "at all: it is to be ignored"
        raise AssertionError(f"{what} isn't refused {wanted}: {refused}") from None
    if attack.code or judged is None:
        raise AssertionError(f"{what} is admitted, and was to be refused: {attack.code}")
    if judged.origin.client != hop.client:
        raise AssertionError(f"{what}: the outsider is seen as somebody else.")
    kept = {name.lower() for name, _ in hop.fields} if attack.way == "proxy" else set[str]()
    through = {name.lower() for name, _ in attack.fields} - kept - {*judged.stripped, *judged.anew}
    if through:
        raise AssertionError(f"{what}: {', '.join(sorted(through))} reaches the application.")


def _judged(boundary: Forwarded, said: _Said) -> Judged | None:
    """Let it cross.

    Raises:
        Refused: it doesn't.
    """
    at = boundary.started().clock()
    via = Via(peer=said.peer, scheme="http", method="GET", target="/")
    crossed = boundary.cross(Claim(b"", Fields(said.lines), at, via))
    return None if crossed is None else crossed.judged
