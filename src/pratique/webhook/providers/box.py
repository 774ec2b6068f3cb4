"""Box: HMAC-SHA256 in base64 over the content, escaped to ASCII, and the time.

It signs with two keys of ours, so that one can be changed while the other holds. A character and
its escape are one signed text: the key of an event is never a digest of the content as it came.
"""

import re
from collections.abc import Sequence
from datetime import timedelta
from json.encoder import encode_basestring_ascii

from pratique.core.claim import Claim
from pratique.webhook.content import envelope_at
from pratique.webhook.facts import Facts
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import malformed, several
from pratique.webhook.signed_time import RFC3339
from pratique.webhook.verify import hmac_of_text

_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
_MAX_ESCAPED = 256 << 10
"""Bytes of a content beyond ASCII: Box's have some KiB, and a stranger's is escaped before its
signature is checked."""
_OWED = {"box-signature-version": "1", "box-signature-algorithm": "HmacSHA256"}
_signatures = several(
    ("box-signature-primary", "box-signature-secondary"),
    time="box-delivery-timestamp",
    form=RFC3339,
)


def _read(claim: Claim, facts: Facts) -> tuple[str, str, Sequence[str]]:
    for name, wanted in _OWED.items():
        if claim.fields.one(name) != wanted:
            raise malformed(name, f"it isn't {wanted}")
    return _signatures(claim, facts)


def _escape(found: re.Match[str]) -> str:
    return encode_basestring_ascii(found[0])[1:-1]  # without its quotation marks


def _in_ascii(claim: Claim, _facts: Facts) -> bytes:
    if claim.content.isascii():
        return claim.content
    if len(claim.content) > _MAX_ESCAPED:
        raise malformed("box-signature-primary", "the content beside it is beyond ASCII and large")
    try:
        return _BEYOND_ASCII.sub(_escape, claim.content.decode()).encode()
    except UnicodeDecodeError:
        raise malformed("box-signature-primary", "the content beside it isn't UTF-8") from None


SCHEME = Scheme(
    name="box",
    party="box",
    documentation="https://developer.box.com/guides/webhooks/v2/signatures-v2/",
    binds=("content", "time"),
    read=_read,
    pieces=lambda time, _id, claim, facts: (_in_ascii(claim, facts), time.encode()),
    keying=hmac_of_text(encoding="base64"),
    envelope=envelope_at(id="id", type="trigger", about="source.id"),
    seal_fields=lambda time, _id, signature: [
        *_OWED.items(),
        ("box-delivery-timestamp", time),
        ("box-signature-primary", signature),
    ],
    signed_time=True,
    signed_key=True,
    tolerance=timedelta(minutes=10),
    time=RFC3339,
    digest_of=_in_ascii,
)
