"""GitHub: HMAC-SHA256 over the content alone.

Neither the event's type nor its delivery id is signed.
"""

from pratique.core.claim import Claim
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import single
from pratique.webhook.verify import hmac_of_text


def _envelope(claim: Claim) -> Envelope | None:
    kind = claim.fields.one("X-GitHub-Event") or ""  # a hint: it chooses the schema that is tried
    return Envelope(type=kind) if is_id(kind) is not None else None


SCHEME = Scheme(
    name="github",
    party="github",
    documentation="https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
    binds=("content",),
    read=single("X-Hub-Signature-256"),  # X-Hub-Signature is SHA-1: never read
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="hex", prefix="sha256="),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [("X-Hub-Signature-256", signature)],
    signed_time=False,
    signed_key=False,
    signed_type=False,
    type_field="X-GitHub-Event",
)
