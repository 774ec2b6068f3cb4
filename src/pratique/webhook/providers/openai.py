"""OpenAI: Standard Webhooks; an entry of the list may lack its version, as in its own library."""

from collections.abc import Sequence

from pratique.core.claim import Claim
from pratique.webhook.facts import Facts
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import bounded, field, malformed, time_field

from .standard_webhooks import standard


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
    fields = claim.fields
    entries = field(fields, "webhook-signature").split(" ")
    identity = field(fields, "webhook-id")
    if "." in identity or not identity.isascii():  # it would move the border to the time
        raise malformed("webhook-id", 'it holds "." or characters beyond ASCII')
    candidates = [each if "," in each else f"v1,{each}" for each in entries]
    known = [each for each in candidates if each.startswith("v1,")]
    return time_field(fields, "webhook-timestamp"), identity, bounded(known, "webhook-signature")


SCHEME: Scheme = standard(
    "openai",
    party="openai",
    documentation="https://platform.openai.com/docs/guides/webhooks",
    read=_read,
)
