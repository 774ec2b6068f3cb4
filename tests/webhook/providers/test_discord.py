"""Discord: the border between time and content, and the PING that is answered after the check."""

import pytest

from pratique import Claim, Fields, Refused
from tests.webhook.other_proofs import AT, CASES

DISCORD = CASES["discord"]


def code(claim: Claim) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        DISCORD.opened(claim)
    except Refused as refused:
        return refused.code
    return ""


def answered(claim: Claim) -> bytes:
    """Return what its handshake is answered with."""
    return DISCORD.scheme.answer(claim, secrets=[DISCORD.opening()])


@pytest.mark.parametrize("moved", [1, -1, 3])
def test_a_digit_that_moves_over_the_border_is_refused(moved: int) -> None:
    """Nothing stands between time and content: the same signed bytes, split elsewhere."""
    honest = DISCORD.sealed(b'1{"type": 2, "id": "1"}')
    lines = dict(honest.fields)
    whole = lines["X-Signature-Timestamp"].encode() + honest.content
    lines["X-Signature-Timestamp"] = whole[: 10 + moved].decode("latin-1")
    shifted = Claim(whole[10 + moved :], Fields(lines.items()), AT)
    assert code(shifted) == "malformed_signature"
    assert code(honest) == ""


def test_a_ping_is_answered_once_it_is_proven_and_nothing_else_is() -> None:
    """Discord sends wrongly signed PINGs on purpose, and drops who answers them."""
    ping = DISCORD.sealed(b'{"type": 1, "id": "1"}')
    assert answered(ping) == b'{"type":1}'
    assert answered(DISCORD.sealed(b'{"version": 1, "type": 0}')) == b""
    for other in (
        DISCORD.sealed(b'{"type": 1, "id": "1"}', number=1),
        DISCORD.sealed(),
        DISCORD.sealed(b'{"version": 1, "type": 1, "event": {"type": "APPLICATION_AUTHORIZED"}}'),
        DISCORD.sealed(b'{"type": "1"}'),
    ):
        with pytest.raises(Refused):
            answered(other)


@pytest.mark.parametrize("change", [str.upper, lambda text: text[:-2], lambda text: text + "00"])
def test_another_spelling_of_the_signature_is_none(change: object) -> None:
    """One text is one signature."""
    honest = DISCORD.sealed()
    lines = dict(honest.fields)
    lines["X-Signature-Ed25519"] = change(lines["X-Signature-Ed25519"])  # type: ignore[operator]
    assert code(Claim(honest.content, Fields(lines.items()), AT)) == "bad_signature"


def test_identical_webhook_events_are_one_and_two_with_other_times_are_two() -> None:
    """A webhook event has no id: its content is what it is known by, and that holds its time."""
    first, second = (
        b'{"version": 1, "application_id": "7", "type": 1, "event": {"type": "A", "timestamp": "%s"}}'
        % stamp
        for stamp in (b"1", b"2")
    )
    keys = [DISCORD.opened(DISCORD.sealed(content)).key for content in (first, first, second)]
    assert keys[0] == keys[1] != keys[2]
