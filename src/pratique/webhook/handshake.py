"""How a sender asks whether an endpoint is ours, and what answers it.

Most of these ask us to sign a text of the caller's with the key of the events. Whoever may choose
that text freely has a signing oracle: so a token is opaque, and no content or time fits into one.
"""

import re
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qsl

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC, VALID
from pratique.core.refusal import Answer, Refused
from pratique.core.secret import LiveSecret

from .facts import Facts

if TYPE_CHECKING:
    from .scheme import Scheme

Sign = Callable[[bytes], str]
"""(bytes) -> their signature as the sender's events have it, by the first live secret."""
_MAX_PARAMETERS: Final = 16
# No brace, quotation mark, colon, dot or line break: no JSON, no "v0:time:", no "time.content".
is_opaque: Final = re.compile(r"[A-Za-z0-9_\-]{1,128}").fullmatch


@dataclass(frozen=True, slots=True)
class Handshake:
    """A sender's handshake.

    Args:
        token: (claim, facts) -> the token that it asks about, as it came; "" where it is no
            handshake.
        answer: (token, sign, facts) -> the content that answers it.
        is_signed: It comes with a signature like every event: that is checked first.
        opaque: (token) -> whether it is one that may be given back.
        by_get: It comes as a GET, so that the endpoint takes that method too.
        content_type: Of the answer. Never one that a browser would run.
        hands_to: The pin with the callable that the token is handed to before the answer: where a
            sender wants a URL to be fetched, that is our user's to do. "" where nothing is.
    """

    token: Callable[[Claim, Facts], str]
    answer: Callable[[str, Sign, Facts], bytes] = lambda token, _sign, _facts: token.encode()
    opaque: Callable[[str], object] = is_opaque
    is_signed: bool = True
    by_get: bool = False
    content_type: str = "text/plain; charset=utf-8"
    hands_to: str = ""


def parameters(claim: Claim) -> dict[str, str]:
    """Return the query of a GET; empty where it has none, or one that two programs read apart."""
    query = claim.via.target.partition("?")[2]
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        return {}
    found = dict(pairs)
    return found if len(found) == len(pairs) else {}


def asked(scheme: "Scheme", claim: Claim, facts: Facts) -> str:
    """Return the token of a handshake.

    Raises:
        Refused: AUTHENTIC, code "bad_challenge": it is none, or asks us to sign or give back more
            than an opaque token.
    """
    handshake = scheme.handshake
    token = handshake.token(claim, facts) if handshake is not None else ""
    if handshake is None or not token or not handshake.opaque(token):
        raise Refused(AUTHENTIC, "it is no handshake with an opaque token", code="bad_challenge")
    return token


def taker(scheme: "Scheme", facts: Facts) -> Callable[[str], object] | None:
    """Return the callable that the token is handed to; None where it is handed to nobody.

    Raises:
        Refused: AUTHENTIC, code "undeclared": it isn't handed in.
    """
    name = scheme.handshake.hands_to if scheme.handshake is not None else ""
    if not name:
        return None
    call: Callable[[str], object] | None = facts.pins.get(name)
    if call is None:
        raise Refused(AUTHENTIC, f"{scheme.name} asks for {name}=", code="undeclared")
    return call


def hand_over(scheme: "Scheme", claim: Claim, facts: Facts) -> None:
    """Hand the token to the declaration's callable, on this thread.

    Raises:
        Refused: what `asked` and `taker` refuse; AUTHENTIC, code "internal" (retry): it raised, or
            is async.
    """
    call = taker(scheme, facts)
    if call is None:
        return
    token = asked(scheme, claim, facts)
    try:
        found = call(token)
    except Exception as error:  # noqa: BLE001  whatever our user's code raises is a refusal
        raise _failed(f"it raised {type(error).__name__}") from None
    if isinstance(found, Coroutine):
        found.close()  # never awaited, and nobody should be warned of that too
        raise _failed("it is async, and this is a sync door")


def _failed(why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"what the handshake's token is handed to failed: {why}",
        code="internal",
        answer=Answer.RETRY,
    )


def answered(scheme: "Scheme", claim: Claim, live: Sequence[LiveSecret], facts: Facts) -> bytes:
    """Return the content that answers a handshake, whose signature is checked where it has one.

    Raises:
        Refused: what `asked` refuses; AUTHENTIC, code "expired_secret": no secret is live.
    """
    token, handshake = asked(scheme, claim, facts), cast("Handshake", scheme.handshake)
    # In the order of the declaration: while a secret is rolled, the new one answers.
    ours = (each for each in live if each.not_after is None or claim.received_at < each.not_after)
    secret = next(ours, None)
    if secret is None:
        raise Refused(AUTHENTIC, "no secret is live to answer with", code="expired_secret")

    def sign(text: bytes) -> str:
        return scheme.keying(secret.value).seal((text,))

    return handshake.answer(token, sign, facts)


def acknowledged(scheme: "Scheme", content: bytes) -> Refused:
    """Return what answers a handshake: it changes nothing, so that nothing of it crosses."""
    told = Refused(
        VALID,
        "a handshake was answered, and nothing else is done",
        code="handshake",
        answer=Answer.ACKNOWLEDGE,
    )
    told.content = content
    if scheme.handshake is not None:
        told.fields["content-type"] = scheme.handshake.content_type
    return told
