"""Slack: HMAC-SHA256 over version, time and content.

The content is JSON for events and a form for commands.
"""

from urllib.parse import parse_qsl

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.content import reading
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text


class _Inner(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    event_id: str = ""
    team_id: str = ""
    challenge: str = ""
    event: _Inner | None = None


_decode = reading(_Event)
_MAX_FORM_FIELDS = 200


def _envelope(claim: Claim) -> Envelope | None:
    if not claim.content.startswith(b"{"):
        return _command(claim.content)
    event = _decode(claim)
    if event is None:
        return None
    if is_id(event.event_id) is None:
        return None
    kind = event.event.type if event.event is not None else event.type
    return Envelope(event.event_id, kind, event.team_id, "")


def _command(content: bytes) -> Envelope | None:
    try:
        form = dict(parse_qsl(content.decode("ascii"), max_num_fields=_MAX_FORM_FIELDS))
    except ValueError:
        return None
    trigger = form.get("trigger_id", "")
    if is_id(trigger) is None:
        return None
    return Envelope(trigger, form.get("command", ""), form.get("team_id", ""), "")


def _token(claim: Claim, _facts: Facts) -> str:
    event = _decode(claim)
    if event is None:
        return ""
    return event.challenge if event.type == "url_verification" else ""


SCHEME = Scheme(
    name="slack",
    party="slack",
    documentation="https://docs.slack.dev/authentication/verifying-requests-from-slack",
    binds=("time", "content"),
    read=single("X-Slack-Signature", time="X-Slack-Request-Timestamp"),
    pieces=lambda time, _id, claim, _facts: (f"v0:{time}:".encode(), claim.content),
    keying=hmac_of_text(encoding="hex", prefix="v0="),
    envelope=_envelope,
    seal_fields=lambda time, _id, signature: [
        ("X-Slack-Request-Timestamp", time),
        ("X-Slack-Signature", signature),
    ],
    signed_time=True,
    signed_key=True,
    handshake=Handshake(_token),
)
