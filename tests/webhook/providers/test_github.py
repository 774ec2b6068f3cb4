"""GitHub: SHA-256 over the content alone, so its type and its delivery id are hints."""

import hmac
from datetime import UTC, datetime, timedelta

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Opened

AT = datetime(2026, 11, 24, tzinfo=UTC)
SECRET, CONTENT = "It's a Secret to Everybody", b'{"action": "opened"}'
MAC = hmac.digest(SECRET.encode(), CONTENT, "sha256").hex()
SHA1 = hmac.digest(SECRET.encode(), CONTENT, "sha1").hex()


def opened(*lines: tuple[str, str], at: datetime = AT) -> Opened:
    """Open a delivery with those fields."""
    return providers.github.open(Claim(CONTENT, Fields(lines), at), secrets=[SECRET])


@pytest.mark.parametrize(
    "lines",
    [
        [("X-Hub-Signature", f"sha1={SHA1}")],
        [("X-Hub-Signature-256", f"sha1={SHA1}")],
        [("X-Hub-Signature-256", MAC)],
        [("X-Hub-Signature-256", f"sha256={MAC.upper()}")],
        [("X-Hub-Signature-256", f"sha256= {MAC}")],
        [("X-Hub-Signature-256", f"SHA256={MAC}")],
        [("X-Hub-Signature-256", f"sha256={MAC},sha256={MAC}")],
    ],
)
def test_refuses_sha_1_and_every_other_spelling(lines: list[tuple[str, str]]) -> None:
    """WH-08: the algorithm isn't taken from the field; the one spelling opens."""
    with pytest.raises(Refused):
        opened(*lines)
    assert opened(("X-Hub-Signature-256", f"sha256={MAC}")).sent_at is None


def test_what_isn_t_signed_is_a_hint_and_no_part_of_the_key() -> None:
    """WH-30, WH-32: another type, another delivery id, another year, the older field: one key."""
    signature = ("X-Hub-Signature-256", f"sha256={MAC}")
    found = [
        opened(signature),
        opened(signature, ("X-GitHub-Event", "push"), ("X-GitHub-Delivery", "1")),
        opened(signature, ("X-GitHub-Event", "ping"), at=AT + timedelta(days=365)),
        opened(signature, ("X-Hub-Signature", "sha1=0")),
    ]
    assert len({each.key for each in found}) == 1
    assert [each.envelope.type if each.envelope else "" for each in found] == [
        "",
        "push",
        "ping",
        "",
    ]
    assert not providers.github.signed_type
    assert not providers.github.signed_key
