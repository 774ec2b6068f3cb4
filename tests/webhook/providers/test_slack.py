"""Slack: JSON events, form commands, and the handshake."""

from datetime import UTC, datetime

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Opened

AT = datetime(2026, 11, 24, tzinfo=UTC)
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
EVENT = (
    b'{"type": "event_callback", "event_id": "Ev1", "team_id": "T1", "event": {"type": "message"}}'
)


def opened(content: bytes) -> Opened:
    """Open it, signed."""
    fields = providers.slack.seal(content, secret=SECRET, at=AT)
    return providers.slack.open(Claim(content, fields, AT), secrets=[SECRET])


def test_an_event_and_a_command_have_their_id_type_and_team() -> None:
    """Both inside the signed bytes."""
    event = opened(EVENT).envelope
    command = opened(b"team_id=T1&command=%2Fpay&trigger_id=13.7.a").envelope
    assert event is not None
    assert command is not None
    assert (event.id, event.type, event.account) == ("Ev1", "message", "T1")
    assert (command.id, command.type, command.account) == ("13.7.a", "/pay", "T1")


def test_one_event_id_of_two_teams_is_two_events() -> None:
    """The team is part of the key; the same delivery again is the same key."""
    assert opened(EVENT).key != opened(EVENT.replace(b"T1", b"T2")).key
    assert opened(EVENT).key == opened(EVENT + b" ").key


@pytest.mark.parametrize("stamp", ["abc", "", "1.5", "-1", "٢", "9" * 12, "1e5"])
def test_refuses_a_time_that_is_no_number(stamp: str) -> None:
    """WH-13: int() raises or reads more than ASCII digits."""
    fields = dict(providers.slack.seal(EVENT, secret=SECRET, at=AT))
    fields["X-Slack-Request-Timestamp"] = stamp
    with pytest.raises(Refused):
        providers.slack.open(Claim(EVENT, Fields(list(fields.items())), AT), secrets=[SECRET])
    assert opened(EVENT)


@pytest.mark.parametrize(
    "content",
    [
        b'{"type": "url_verification", "challenge": "%s"}' % (b"a" * 129),
        b'{"type": "url_verification", "challenge": "v0:1:{}"}',
        b'{"type": "url_verification", "challenge": ""}',
        b'{"type": "url_verification", "challenge": 7}',
        b'{"type": "event_callback", "challenge": "abc"}',
        b"challenge=abc",
    ],
)
def test_answers_no_handshake_that_isn_t_an_opaque_token(content: bytes) -> None:
    """Hole 21: never an echo of anything else, though it is signed; the twin is answered."""
    fields = providers.slack.seal(content, secret=SECRET, at=AT)
    with pytest.raises(Refused):
        providers.slack.answer(Claim(content, fields, AT), secrets=[SECRET])
    good = b'{"type": "url_verification", "challenge": "%s"}' % (b"a" * 128)
    fields = providers.slack.seal(good, secret=SECRET, at=AT)
    assert providers.slack.answer(Claim(good, fields, AT), secrets=[SECRET]) == b"a" * 128
