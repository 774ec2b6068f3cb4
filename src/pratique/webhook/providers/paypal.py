"""PayPal: RSA with SHA-256 over id, time, webhook id and the CRC32 of the content.

A CRC32 binds nothing: whoever holds one delivery can make other content with the same one. So the
grade is weak, and what happened is asked of PayPal.
"""

import re
from typing import Final
from zlib import crc32

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused
from pratique.webhook.certificate import FETCH, fetched, known_at, pieces_of, pinned
from pratique.webhook.content import reading
from pratique.webhook.facts import Facts
from pratique.webhook.key_address import KeyAddress
from pratique.webhook.named_key import CALLABLE
from pratique.webhook.opened import Envelope, Grade, fit
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import field, malformed, time_field
from pratique.webhook.signed_time import RFC3339

_ID, _TIME = "PAYPAL-TRANSMISSION-ID", "PAYPAL-TRANSMISSION-TIME"
_SIGNATURE, _URL = "PAYPAL-TRANSMISSION-SIG", "PAYPAL-CERT-URL"
_ALGORITHM: Final = ("PAYPAL-AUTH-ALGO", "SHA256withRSA")
_PATH: Final = r"/v1/notifications/certs/CERT-[A-Za-z0-9-]{1,128}"
_ADDRESSES: Final = {
    "live": KeyAddress(host=r"api\.paypal\.com", path=_PATH),
    "sandbox": KeyAddress(host=r"api\.sandbox\.paypal\.com", path=_PATH),
}
_EXAMPLE: Final = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"
_is_word = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


class _Resource(msgspec.Struct):
    id: str = ""


class _Event(msgspec.Struct):
    event_type: str
    resource: _Resource | None = None


_decode = reading(_Event)


def _envelope(claim: Claim) -> Envelope | None:
    event = _decode(claim)
    if event is None:
        return None
    about = event.resource
    # The id is the transmission's: the one in the content is bound by the CRC32 alone.
    identity = claim.fields.one(_ID) or ""
    return Envelope(fit(identity), event.event_type, "", fit(about.id) if about else "")


def _read(claim: Claim, facts: Facts) -> tuple[str, str, list[str]]:
    fields = claim.fields
    signature, identity = field(fields, _SIGNATURE), field(fields, _ID)
    if _is_word(identity) is None:
        raise malformed(_ID, "it isn't letters, digits, _ and -")
    if field(fields, _ALGORITHM[0]) != _ALGORITHM[1]:
        raise Refused(
            AUTHENTIC,
            f"the {_ALGORITHM[0]} field isn't {_ALGORITHM[1]}",
            code="algorithm_not_allowed",
            hint="the sender doesn't choose the algorithm",
        )
    _judged(field(fields, _URL), facts)
    return time_field(fields, _TIME, RFC3339), identity, [signature]


def _pieces(time: str, identity: str, claim: Claim, facts: Facts) -> tuple[bytes, ...]:
    told = claim.fields.one(_URL)  # none where we seal
    signed = f"{identity}|{time}|{facts.pins['webhook_id']}|{crc32(claim.content)}".encode()
    return pieces_of(_judged(told, facts) if told else _EXAMPLE, claim, signed)


def _judged(url: str, facts: Facts) -> str:
    return _ADDRESSES[facts.pins.get("environment", "live")].judged(url)


SCHEME = Scheme(
    name="paypal",
    party="paypal",
    documentation="https://developer.paypal.com/api/rest/webhooks/rest/#link-verifywebhooksignature",
    binds=("id", "time", "webhook id"),
    read=_read,
    pieces=_pieces,
    keying=pinned,
    keyed_by=fetched,
    envelope=_envelope,
    seal_fields=lambda time, event_id, signature: [
        (_ID, event_id),
        (_TIME, time),
        (_SIGNATURE, signature),
        (_URL, _EXAMPLE),
        _ALGORITHM,
    ],
    signed_time=True,
    time=RFC3339,
    signed_key=True,
    signed_type=False,
    pins=(
        Pin("webhook_id", str, is_owed=True, fits=_is_word),
        Pin("environment", str, fits=_ADDRESSES.__contains__),
        Pin(FETCH, CALLABLE),
        known_at(*_ADDRESSES.values()),
    ),
    grade=Grade.WEAK,
)
