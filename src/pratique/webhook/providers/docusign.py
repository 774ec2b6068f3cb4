"""DocuSign Connect: HMAC-SHA256 in base64 over the content, once for each live key.

The event, its envelope and its recipient are the id; a resend differs in its count of attempts.
"""

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import several
from pratique.webhook.verify import hmac_of_text


def _envelope(claim: Claim) -> Envelope | None:
    content = decoded(claim)
    kind, about = at(content, "event"), at(content, "data.envelopeId")
    recipient = at(content, "data.recipientId")
    identity = f"{kind}-{about}-{recipient}".rstrip("-")
    if not kind or is_id(about) is None or is_id(identity) is None:
        return None
    return Envelope(identity, kind, at(content, "data.accountId"), about)


SCHEME = Scheme(
    name="docusign",
    party="docusign",
    documentation="https://developers.docusign.com/platform/webhooks/connect/hmac/",
    binds=("content",),
    read=several(tuple(f"X-DocuSign-Signature-{n}" for n in range(1, 101))),
    pieces=lambda _time, _id, claim, _facts: (claim.content,),
    keying=hmac_of_text(encoding="base64"),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [("X-DocuSign-Signature-1", signature)],
    signed_time=False,
    signed_key=True,
    source="unconfirmed",
)
