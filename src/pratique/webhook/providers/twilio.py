"""Twilio: HMAC-SHA1 in base64 over our URL and, of a form, each name and value.

HMAC-SHA1 isn't broken; the sender has nothing else. A JSON content is bound through bodySHA256 at
the end of the query alone: without it, nothing but a form opens. Names and values stand without a
sign between them, in an order of their own, and none before the first: one signature holds for
other forms and other queries with the same text, so the key is a digest of URL and text, and a form
must have the id that it is about.

The type of a form is the state that it tells: MessageStatus, SmsStatus, CallStatus, RecordingStatus
or StatusCallbackEvent, the first that is there. An incoming message is of the type "received".
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

from pratique.core.boundary import Receipt
from pratique.core.claim import Claim
from pratique.core.proofs.authentic import hmac as mac
from pratique.webhook.content import envelope_at
from pratique.webhook.facts import Facts, requested_url
from pratique.webhook.opened import Envelope, is_id
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import field, malformed
from pratique.webhook.verify import hmac_of_text

_FIELD = "X-Twilio-Signature"
_MAX_FORM_FIELDS = 300
_MAX_FORM = 64 << 10
"""Bytes; Twilio's own have some KiB, and a stranger's is read before its signature is checked."""
# Twilio appends it. In another place it could be a text that somebody wrote into a form, moved into
# the query with all that stands around it: then one signed form would open any content.
_BOUND = re.compile(r"[^?]*\?(?:[^&]*&)*bodySHA256=([0-9a-f]{64})").fullmatch
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,127}").fullmatch
_IDS = ("MessageSid", "SmsSid", "CallSid", "RecordingSid", "ConferenceSid", "AccountSid")
_STATES = ("MessageStatus", "SmsStatus", "CallStatus", "RecordingStatus", "StatusCallbackEvent")
_json = envelope_at(type="type|EventType|status", about="sid|id")


@lru_cache(4)  # each step of one delivery asks for it
def _form(content: bytes) -> tuple[dict[str, str], bytes]:
    """Return a form, and the text of it that is signed."""
    pairs: list[tuple[str, str]] = []
    if len(content) <= _MAX_FORM and content.isascii():
        with suppress(ValueError):
            pairs = parse_qsl(
                content.decode(),
                keep_blank_values=True,
                strict_parsing=True,
                max_num_fields=_MAX_FORM_FIELDS,
                errors="strict",
            )
    if not pairs or not all(_NAME(name) for name, _ in pairs):
        raise malformed(_FIELD, "the content isn't a form, and no bodySHA256 binds it")
    text = "".join(f"{name}{value}" for name, value in sorted(set(pairs)))
    return dict(pairs), text.encode()


def _text(claim: Claim, url: str) -> bytes:
    if "bodySHA256" not in url:
        return _form(claim.content)[1]
    told = _BOUND(url) if url.count("bodySHA256") == 1 else None
    if told is None or not mac.compare_digest(sha256(claim.content).hexdigest(), told[1]):
        raise malformed(_FIELD, "no bodySHA256 of the content ends the URL")
    return b""


def _pieces(_time: str, _id: str, claim: Claim, facts: Facts) -> tuple[bytes, ...]:
    url = requested_url(facts, claim)
    return (url.encode(), _text(claim, url))


def _other_ports(_time: str, _id: str, claim: Claim, facts: Facts) -> Iterable[tuple[bytes, ...]]:
    # Twilio signs the URL with its port or without: both are the declaration's.
    url = requested_url(facts, claim)
    at = urlsplit(url)
    host = at.netloc.rpartition("@")[2].partition(":")[0]
    port = 443 if at.scheme == "https" else 80
    for place in (host, f"{host}:{at.port or port}"):
        other = at._replace(netloc=place).geturl()
        if other != url:
            yield (other.encode(), _text(claim, other))


def _read(claim: Claim, _facts: Facts) -> tuple[str, str, Sequence[str]]:
    return "", "", [field(claim.fields, _FIELD)]


def _envelope(claim: Claim) -> Envelope | None:
    if "bodySHA256=" in claim.via.target or claim.content[:1] in (b"{", b"["):
        return _json(claim)
    form, _ = _form(claim.content)
    about = next((form[name] for name in _IDS if is_id(form.get(name, ""))), "")
    if not about:
        return None
    kind = next((form[name] for name in _STATES if form.get(name)), "")
    return Envelope(type=kind, account=form.get("AccountSid", ""), object_id=about)


def _digested(claim: Claim, facts: Facts) -> bytes:
    # Both: a name and its value can be moved from the form's start to the query's end. Host and
    # port are the declaration's alone, and are signed with the port or without.
    url = requested_url(facts, claim)
    at = urlsplit(url)
    return f"{at.path}?{at.query}".encode() + _text(claim, url)


SCHEME = Scheme(
    name="twilio",
    party="twilio",
    documentation="https://www.twilio.com/docs/usage/webhooks/webhooks-security",
    binds=("url", "content"),
    read=_read,
    pieces=_pieces,
    also=_other_ports,
    keying=hmac_of_text(encoding="base64", digest="sha1"),
    envelope=_envelope,
    seal_fields=lambda _time, _id, signature: [(_FIELD, signature)],
    signed_time=False,
    signed_key=False,
    digest_of=_digested,
    ambiguous=True,
    signs_url=True,
    receipt=Receipt(b"<Response/>", "text/xml; charset=utf-8"),  # TwiML that does nothing more
)
