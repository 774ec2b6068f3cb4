"""DocuSign Connect: HMAC-SHA256 in base64 over the content, once for each live key.

An event has no id of its own: an envelope can be sent again twice. So the key is a digest of the
content without its count of attempts, which grows where DocuSign tries again.
"""

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded, without
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import several
from pratique.webhook.verify import hmac_of_text


def _envelope(claim: Claim) -> Envelope | None:
    content = decoded(claim)
    kind, about = at(content, "event"), at(content, "data.envelopeId")
    if not kind or is_id(about) is None:
        return None
    return Envelope(type=kind, account=at(content, "data.accountId"), object_id=about)


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
    signed_key=False,
    digest_of=without("retryCount"),
    source="unconfirmed",
)
