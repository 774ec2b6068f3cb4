"""Mailgun: the event isn't signed, and so nothing rests on it."""

import json
from typing import Any

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook.opened import Grade
from tests.webhook.other_proofs import AT, CASES

MAILGUN = CASES["mailgun"]


def with_block(**block: Any) -> Claim:
    """Return an honest delivery with another signature block."""
    told = json.loads(MAILGUN.sealed().content)
    told["signature"] |= block
    return Claim(json.dumps(told).encode(), Fields(), AT)


def code(claim: Claim) -> str:
    """Return the code of the refusal, "" where it opens."""
    try:
        MAILGUN.opened(claim)
    except Refused as refused:
        return refused.code
    return ""


def test_swapped_event_data_opens_as_weak_with_the_token_as_its_key() -> None:
    """The attack works on whoever believes the signature: the boundary asks Mailgun."""
    told = json.loads(MAILGUN.sealed().content)
    told["event-data"] = {"event": "complained", "id": "X", "recipient": "victim@x.example"}
    opened = MAILGUN.opened(Claim(json.dumps(told).encode(), Fields(), AT))
    assert opened.grade is Grade.WEAK
    assert opened.key == MAILGUN.opened(MAILGUN.sealed()).key
    assert not MAILGUN.scheme.has_key
    assert not MAILGUN.scheme.signed_type


@pytest.mark.parametrize(
    "block",
    [
        {"timestamp": 1795478400},
        {"timestamp": "179547840"},
        {"timestamp": "17954784000"},
        {"token": "a" * 49},
        {"token": "A" * 50},
        {"token": None},
        {"signature": "0" * 64},
        {"signature": None},
        {"signature": "é"},
    ],
)
def test_another_block_is_refused(block: dict[str, Any]) -> None:
    """Time and token are signed with nothing between them: each has its length."""
    assert code(with_block(**block)) in ("malformed_signature", "bad_signature")
    assert code(with_block()) == ""


def test_a_digit_that_moves_from_the_token_to_the_time_is_refused() -> None:
    """The same signed bytes, split elsewhere."""
    block = json.loads(MAILGUN.sealed().content)["signature"]
    whole = block["timestamp"] + block["token"]
    for border in (9, 11):
        assert code(with_block(timestamp=whole[:border], token=whole[border:])) == (
            "malformed_signature"
        )
