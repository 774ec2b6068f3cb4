"""SendGrid: a batch whose last bytes count, and a time with nothing behind it."""

import pytest

from pratique import Claim, Fields, Refused
from tests.webhook.other_proofs import AT, CASES

SENDGRID = CASES["sendgrid"]
TIME = "X-Twilio-Email-Event-Webhook-Timestamp"


def test_the_line_break_at_the_end_is_signed() -> None:
    """Whatever strips the content breaks it."""
    honest = SENDGRID.sealed()
    assert honest.content.endswith(b"\r\n")
    with pytest.raises(Refused):
        SENDGRID.opened(Claim(honest.content.strip(), honest.fields, AT))
    assert SENDGRID.opened(honest).envelope is not None


def test_a_digit_that_moves_over_the_border_is_refused() -> None:
    """Time and content are signed with nothing between them."""
    honest = SENDGRID.sealed()
    lines = dict(honest.fields)
    time = lines[TIME]
    lines[TIME] = time[:-1]
    with pytest.raises(Refused) as refused:
        SENDGRID.opened(Claim(time[-1].encode() + honest.content, Fields(lines.items()), AT))
    assert refused.value.code == "malformed_signature"


def test_two_signatures_of_one_batch_are_one_key() -> None:
    """ECDSA signs the same content twice with other bytes: the key is the content's."""
    first, second = SENDGRID.sealed(), SENDGRID.sealed()
    assert tuple(first.fields) != tuple(second.fields)
    assert SENDGRID.opened(first).key == SENDGRID.opened(second).key


@pytest.mark.parametrize("content", [b"[]", b"{}", b'[{"event": "open"}]', b"null"])
def test_what_is_no_batch_has_no_envelope(content: bytes) -> None:
    """It opens, since it is signed; a boundary has nothing to do with it."""
    assert SENDGRID.opened(SENDGRID.sealed(content)).envelope is None
