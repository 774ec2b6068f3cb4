"""Mollie: an id of a payment, and nothing else."""

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook.opened import Grade
from tests.webhook.other_proofs import AT, CASES

MOLLIE = CASES["mollie"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"id=",
        b"id=tr_",
        b"id=ord_8wmqcHMN4U",
        b"id=tr_../refunds",
        b"id=tr_a%2F..",
        b"id=tr_a&id=tr_b",
        b"id=tr_a\n",
        b"id=tr_\xc3\xa9",
        b"id=tr_" + b"a" * 65,
        b'{"id": "tr_7UhSN1zuXS"}',
    ],
)
def test_refuses_what_is_no_id_of_a_payment(content: bytes) -> None:
    """It goes into the path of a request (CWE-22)."""
    with pytest.raises(Refused):
        MOLLIE.opened(Claim(content, Fields(), AT))
    opened = MOLLIE.opened(MOLLIE.sealed())
    assert opened.grade is Grade.UNSIGNED
    assert opened.envelope is not None
    assert (opened.envelope.type, opened.envelope.object_id) == ("payment", "tr_7UhSN1zuXS")
