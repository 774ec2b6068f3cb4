"""Contentful: HMAC-SHA256 over method, path, the fields that it lists, and content.

The sender says which fields are signed. The two that we owe are always among them; a field that
isn't listed is a hint, whatever it says.
"""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from pratique.core.claim import Claim
from pratique.webhook.content import envelope_at
from pratique.webhook.facts import Facts, declared_url
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import field, malformed, time_field
from pratique.webhook.signed_time import MILLISECONDS
from pratique.webhook.verify import hmac_of_text

_SIGNATURE, _TIME, _LISTED = (
    f"x-contentful-{part}" for part in ("signature", "timestamp", "signed-headers")
)
_MAX_LISTED = 32


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
    fields = claim.fields
    names = field(fields, _LISTED).split(",")
    if (
        len(set(names)) != len(names)
        or len(names) > _MAX_LISTED
        or not {_TIME, _LISTED} <= set(names)
    ):
        raise malformed(_LISTED, f"it doesn't list {_TIME} and itself, each name once")
    return time_field(fields, _TIME, MILLISECONDS), "", [field(fields, _SIGNATURE)]


def _pieces(time: str, _id: str, claim: Claim, facts: Facts) -> tuple[bytes, ...]:
    at = urlsplit(declared_url(facts))
    path = at.path + (f"?{at.query}" if at.query else "")
    listed = claim.fields.one(_LISTED) or f"{_LISTED},{_TIME}"
    signed = ((name, claim.fields.one(name) or "") for name in sorted(listed.split(",")))
    known = {_TIME: time, _LISTED: listed}
    lines = ";".join(f"{name}:{known.get(name, value)}" for name, value in signed)
    head = f"{claim.via.method}\n{path}\n{lines}\n"
    return (head.encode("utf-8", "surrogatepass"), claim.content)


SCHEME = Scheme(
    name="contentful",
    party="contentful",
    documentation="https://www.contentful.com/developers/docs/webhooks/request-verification/",
    binds=("method", "url", "time", "content"),
    read=_read,
    pieces=_pieces,
    keying=hmac_of_text(encoding="hex"),
    envelope=envelope_at(type_field="X-Contentful-Topic", about="sys.id"),
    seal_fields=lambda time, _id, signature: [
        (_LISTED, f"{_LISTED},{_TIME}"),
        (_TIME, time),
        (_SIGNATURE, signature),
    ],
    signed_time=True,
    signed_key=False,
    signed_type=False,
    type_field="X-Contentful-Topic",
    tolerance=timedelta(seconds=30),
    time=MILLISECONDS,
    signs_url=True,
)
