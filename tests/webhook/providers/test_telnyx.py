"""Telnyx: a sign stands between time and content, and its key is base64."""

from base64 import b64decode, b64encode

import pytest

from pratique import Claim, Fields, Refused
from tests.webhook.other_proofs import AT, CASES

TELNYX = CASES["telnyx"]
FIELD = "telnyx-signature-ed25519"


def changed(name: str, value: str) -> Claim:
    """Return an honest delivery with another field."""
    honest = TELNYX.sealed()
    return Claim(honest.content, Fields({**dict(honest.fields), name: value}.items()), AT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("telnyx-timestamp", "1795478400|"),
        ("telnyx-timestamp", "01795478400"),
        ("telnyx-timestamp", "1795478401"),
        (FIELD, ""),
        (FIELD, b64encode(bytes(64)).decode()),
    ],
)
def test_refuses_another_time_or_signature(name: str, value: str) -> None:
    """And takes the honest one."""
    with pytest.raises(Refused):
        TELNYX.opened(changed(name, value))
    assert TELNYX.opened(TELNYX.sealed()).envelope is not None


def test_a_signature_has_one_spelling() -> None:
    """Without padding, or with bits behind the last byte, it is none."""
    signature = dict(TELNYX.sealed().fields)[FIELD]
    for other in (signature.rstrip("="), f"{signature}\n", b64decode(signature).hex()):
        with pytest.raises(Refused):
            TELNYX.opened(changed(FIELD, other))
