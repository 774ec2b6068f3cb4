"""Braintree: HMAC-SHA1 over bt_payload of a form, keyed with the SHA-1 of the private key.

HMAC-SHA1 isn't broken; the sender has nothing else. The payload is base64 of XML, of which three
elements are read, by their own text: no XML is parsed. Its GET with bt_challenge asks for the same
MAC: a token is 20 to 32 hexadecimal digits, which no payload with a time is.
"""

import re
from base64 import b64decode, encodebytes
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import sha1
from typing import Final
from urllib.parse import parse_qsl, urlencode

from pratique.core.claim import Claim
from pratique.webhook.facts import Facts
from pratique.webhook.handshake import Handshake, Sign, parameters
from pratique.webhook.opened import Envelope
from pratique.webhook.pin import Pin
from pratique.webhook.scheme import Scheme
from pratique.webhook.signature_field import bounded, malformed
from pratique.webhook.signed_time import RFC3339
from pratique.webhook.verify import HmacVerifier, Verifier

_MAX_CONTENT: Final = 256 << 10
"""Bytes; what is larger costs a stranger's delivery too much to read before its signature."""
_CHALLENGE = re.compile(r"[a-f0-9]{20,32}").fullmatch
_PAYLOAD = re.compile(r"[A-Za-z0-9+/=\n]+").fullmatch
_KIND = re.compile(rb"<kind>([a-z0-9_]{1,64})</kind>")
_TIME = re.compile(rb"<timestamp type=\"datetime\">([0-9TZ:+\-.]{20,35})</timestamp>")


@lru_cache(4)  # each step of one delivery asks for it
def _form(content: bytes) -> dict[str, str]:
    pairs: list[tuple[str, str]] = []
    if len(content) <= _MAX_CONTENT and content.isascii():
        with suppress(ValueError):
            pairs = parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=8)
    form = dict(pairs)
    if len(form) != len(pairs) or not {"bt_signature", "bt_payload"} <= set(form):
        raise malformed(
            "bt_signature",
            "the content isn't a form with it and bt_payload, once each, at most 256 KiB",
        )
    return form


def _read(claim: Claim, facts: Facts) -> tuple[str, str, Sequence[str]]:
    form = _form(claim.content)
    if _PAYLOAD(form["bt_payload"]) is None:
        raise malformed("bt_payload", "it has characters that aren't base64")
    told = (each.partition("|") for each in form["bt_signature"].split("&"))
    ours = [signature for key, _, signature in told if key == facts.pins["public_key"]]
    return "", "", bounded(ours, "bt_signature")


def _pieces(_time: str, _id: str, claim: Claim, _facts: Facts) -> tuple[bytes, ...]:
    return (_form(claim.content)["bt_payload"].encode(),)


def _with_line_end(
    time: str, event_id: str, claim: Claim, facts: Facts
) -> Iterable[tuple[bytes, ...]]:
    yield (*_pieces(time, event_id, claim, facts), b"\n")


def _xml(claim: Claim) -> bytes:
    return b64decode(_form(claim.content)["bt_payload"])


def _time_of(claim: Claim) -> str:
    found = _TIME.findall(_xml(claim))
    text = found[0].decode() if len(found) == 1 else ""
    return text if RFC3339.matches(text) else ""


def _envelope(claim: Claim) -> Envelope | None:
    found = _KIND.findall(_xml(claim))
    return Envelope(type=found[0].decode()) if len(found) == 1 else None


def _keying(secret: str) -> Verifier:
    return HmacVerifier(
        sha1(secret.encode(), usedforsecurity=False).digest(), encoding="hex", digest="sha1"
    )


def _answer(token: str, sign: Sign, facts: Facts) -> bytes:
    return f"{facts.pins['public_key']}|{sign(token.encode())}".encode()


def _token(claim: Claim, _facts: Facts) -> str:
    return parameters(claim).get("bt_challenge", "") or claim.content[:64].decode(
        "ascii", "replace"
    )


def _signed_content(claim: Claim) -> bytes:
    """Return the form without what somebody put beside the two fields: nothing signs that."""
    form = _form(claim.content)
    return urlencode({name: form[name] for name in ("bt_signature", "bt_payload")}).encode()


def _sealed(content: bytes, _time: str, _id: str, signature: str, facts: Facts) -> bytes:
    form = {"bt_signature": f"{facts.pins['public_key']}|{signature}"}
    return urlencode({**form, "bt_payload": encodebytes(content).decode()}).encode()


SCHEME = Scheme(
    name="braintree",
    party="braintree",
    documentation="https://developer.paypal.com/braintree/docs/guides/webhooks/parse",
    binds=("content", "time"),
    read=_read,
    pieces=_pieces,
    also=_with_line_end,
    keying=_keying,
    envelope=_envelope,
    seal_fields=lambda _time, _id, _signature: [
        ("Content-Type", "application/x-www-form-urlencoded")
    ],
    seal_content=_sealed,
    signed_content=_signed_content,
    signed_time=True,
    signed_key=False,
    time=RFC3339,
    time_of=_time_of,
    digest_of=lambda claim, _facts: _TIME.sub(b"", _xml(claim)),
    pins=(Pin("public_key", str, is_owed=True),),
    handshake=Handshake(_token, _answer, _CHALLENGE, is_signed=False, by_get=True),
)
