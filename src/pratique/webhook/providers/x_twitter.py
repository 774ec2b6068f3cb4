"""X: HMAC-SHA256 in base64 over the content alone.

Its GET with crc_token asks for the same MAC, in the same form, of a text of anybody's. A token is
opaque, and no content that could be a token opens: what the handshake signs is never an event.
"""

from collections.abc import Sequence

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded, members
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake, Sign, is_opaque, parameters
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import field, malformed
from pratique.webhook.verify import hmac_of_text

_FIELD = "x-twitter-webhooks-signature"


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
    signature = field(claim.fields, _FIELD)
    if is_opaque(claim.content[:200].decode("ascii", "replace")) is not None:
        raise malformed(_FIELD, "it stands beside a content that a handshake could have signed")
    return "", "", [signature]


def _envelope(claim: Claim) -> Envelope | None:
    content = members(decoded(claim))
    if not content:
        return None
    kind = next((name for name in content if is_id(name) and name.endswith("_events")), "")
    return Envelope(type=kind, account=at(content, "for_user_id"))


def _answer(token: str, sign: Sign, _facts: Facts) -> bytes:
    return f'{{"response_token":"{sign(token.encode())}"}}'.encode()


SCHEME = Scheme(
    name="x-twitter",
    party="x",
    documentation="https://docs.x.com/x-api/webhooks/introduction",
    binds=("content",),
    read=_read,
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64", prefix="sha256="),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [(_FIELD, signature)],
    signed_time=False,
    signed_key=False,
    source="unconfirmed",  # X shows the steps, and no delivery that is signed
    handshake=Handshake(
        lambda claim, _facts: parameters(claim).get("crc_token", ""),
        _answer,
        is_signed=False,
        by_get=True,
        content_type="application/json",
    ),
)
