"""Svix, which sends for others: Standard Webhooks, in fields that begin with svix- or webhook-.

A delivery with both families has two ids and two times, of which two programs choose two.
"""

from collections.abc import Sequence

from pratique.core.claim import Claim
from pratique.webhook.content import at, decoded
from pratique.webhook.facts import Facts
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed

from .standard_webhooks import listed_in, standard

_PARTS = ("id", "timestamp", "signature")
_SVIX, _STANDARD = listed_in("svix"), listed_in("webhook")


def _read(claim: Claim, facts: Facts) -> tuple[str, str, Sequence[str]]:
    has_svix, has_standard = (
        any(f"{family}-{part}" in claim.fields for part in _PARTS) for family in ("svix", "webhook")
    )
    if has_svix and has_standard:
        raise malformed("svix-signature", "fields of both families came, svix- and webhook-")
    return (_STANDARD if has_standard else _SVIX)(claim, facts)


def _envelope(claim: Claim) -> Envelope | None:
    content = decoded(claim)
    identity = claim.fields.one("svix-id") or claim.fields.one("webhook-id") or ""
    if content is None or is_id(identity) is None:
        return None
    about = at(content, "data.id")
    return Envelope(identity, at(content, "type"), "", about if is_id(about) is not None else "")


SCHEME: Scheme = standard(
    "svix",
    party="svix",
    documentation="https://docs.svix.com/receiving/verifying-payloads/how-manual",
    read=_read,
    envelope=_envelope,
    family="svix",
)
