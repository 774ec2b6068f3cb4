"""The attacks on a forwarded boundary: what an outsider says, straight or through the proxy."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from pratique.core.attack import Request
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import Refused
from pratique.forwarded import Forwarded
from pratique.forwarded.attacks import Attack
from pratique.forwarded.boundary import Judged
from pratique.forwarded.policy import FORWARDED, LIST

from .app import sends_from
from .examples import Hop

Lines = tuple[tuple[str, str], ...]
_APPENDED = frozenset({FORWARDED, LIST})
_REFUSED: Final = 400


@dataclass(frozen=True, slots=True)
class _Said:
    """What arrives: from whom, and which lines."""

    peer: str
    lines: Lines


Judge = Callable[[_Said], Judged | None]


def try_edge(boundary: Forwarded, attacks: Sequence[Attack], hop: Hop, app: object = None) -> int:
    """Let a boundary judge the attacks, and the honest request; return how many could be made.

    Args:
        boundary: Has started.
        attacks: Of one id.
        hop: The honest request.
        app: Sent to where it is given, so that its door asks the boundary; see `sends_from`.

    Raises:
        AssertionError: one makes the outsider somebody else, or reaches the application, or isn't
            refused with its code; the honest request isn't seen as its client's.
    """
    made = 0
    judge = _judge_of(boundary, app)
    for attack in attacks:
        said = _said(boundary, attack, hop)
        if said is not None:
            made += 1
            _require_nobody_else(judge, attack, said, hop)
    try:
        judged = judge(_Said(hop.proxy or hop.client, hop.fields))
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


def _require_nobody_else(judge: Judge, attack: Attack, said: _Said, hop: Hop) -> None:
    what = f"{attack.id} {attack.title}"
    try:
        judged = judge(said)
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


def _judge_of(boundary: Forwarded, app: object) -> Judge:
    """Return what lets a request cross: an application, or the boundary by itself."""

    def cross(said: _Said) -> Judged | None:
        at = boundary.started().clock()
        via = Via(peer=said.peer, scheme="http", method="GET", target="/")
        crossed = boundary.cross(Claim(b"", Fields(said.lines), at, via))
        return None if crossed is None else crossed.judged

    def knock(said: _Said) -> Judged | None:
        with _listening(boundary) as heard:
            try:
                status = sends_from(app, Request("GET", "/", b"", said.lines), said.peer)
            except Exception as error:
                if not heard.has_crossed:
                    raise AssertionError(f"nothing crossed: {error}") from error
                status = 0  # what its view does afterwards is its own
        if status is None:
            return cross(said)
        if heard.refused is not None and status == _REFUSED:
            raise heard.refused
        if not heard.has_crossed or heard.refused is not None:
            raise AssertionError(
                f'the answer has status {status}, and "{boundary.name}" isn\'t what lets it in: '
                "the application is unguarded, or something answers before its door."
            )
        return heard.judged

    return cross if app is None else knock


@dataclass(slots=True)
class _Heard:
    """What a boundary was asked by a door."""

    has_crossed: bool = False
    judged: Judged | None = None
    refused: Refused | None = None


@contextmanager
def _listening(boundary: Forwarded) -> Generator[_Heard]:
    """Give what a boundary is asked meanwhile, and what it says."""
    heard = _Heard()
    own: Any = vars(boundary)
    cross, again, refuse = boundary.cross, boundary.cross_again, boundary.refuse

    def crossing(claim: Claim) -> Any:
        heard.has_crossed = True
        crossed = cross(claim)
        heard.judged = None if crossed is None else crossed.judged
        return crossed

    def crossing_again(crossed: Any, at: Any) -> Any:
        proven = again(crossed, at)
        heard.has_crossed, heard.judged = True, None if proven is None else crossed.judged
        return proven

    def refusing(refused: Refused) -> None:
        heard.has_crossed = True
        try:
            refuse(refused)
        except Refused:  # unless the boundary only observes
            heard.refused = refused
            raise

    own.update(cross=crossing, cross_again=crossing_again, refuse=refusing)
    try:
        yield heard
    finally:
        for name in ("cross", "cross_again", "refuse"):
            del own[name]
