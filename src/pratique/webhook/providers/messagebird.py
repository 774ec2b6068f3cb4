"""MessageBird: a token signed with HMAC that holds the hashes of our URL and of the content."""

import msgspec

from pratique.core.claim import Claim
from pratique.webhook.content import reading
from pratique.webhook.digest_token import UrlToken, seconds, unproven
from pratique.webhook.facts import Facts, requested_url
from pratique.webhook.opened import Envelope, fit
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed

_FIELD = "MessageBird-Signature-JWT"


class _Object(msgspec.Struct):
    id: str = ""


class _Event(msgspec.Struct):
    type: str = ""
    message: _Object | None = None
    conversation: _Object | None = None


_decode = reading(_Event)


def _identity(claim: Claim) -> str:
    jti = unproven(claim, _FIELD)[2].get("jti")
    identity = fit(jti) if isinstance(jti, str) else ""
    if not identity:
        raise malformed(_FIELD, "jti is missing, or no id")
    return identity


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    about = event.message or event.conversation
    return Envelope(_identity(claim), event.type, "", fit(about.id) if about is not None else "")


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, list[str]]:
    token, _, claims = unproven(claim, _FIELD)
    return seconds(claims, "nbf", _FIELD), _identity(claim), [token]


SCHEME = Scheme(
    name="messagebird",
    party="messagebird",
    documentation="https://developers.messagebird.com/api/#verifying-http-requests",
    binds=("time", "id", "url", "content"),
    read=_read,
    pieces=lambda time, event_id, claim, facts: (
        requested_url(facts, claim).encode(),
        claim.content,
        str(claim.received_at.timestamp()).encode(),
        event_id.encode(),
        time.encode(),
    ),
    keying=UrlToken,
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [(_FIELD, signature)],
    signed_time=True,
    signed_key=True,
    signs_url=True,
)
