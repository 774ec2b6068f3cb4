"""The grammar of `X-Forwarded-Client-Cert`, and what its last element says."""

import re
import ssl
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal
from urllib.parse import unquote

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.mtls import SpiffeId, parse_spiffe_id, spiffe_id_of
from pratique.core.refusal import Refused

from .claimed import FORWARDED

# Envoy, "x-forwarded-client-cert": elements are separated by ",", pairs by ";", key and value by
# "=". A value that holds one of these stands in double quotes, and a backslash takes the next
# character with it (\" and, from RFC 2253 in Subject, \\ \, \C3).
_PAIR: Final = re.compile(r'([A-Za-z]{1,16})=(?:"((?:[^"\\]|\\.)*)"|([^",;=\\]*))([,;]|\Z)')
_ESCAPED: Final = re.compile(r"\\(.)")
_KEYS: Final = frozenset({"by", "hash", "cert", "chain", "subject", "uri", "dns"})
_SEVERAL: Final = frozenset({"dns"})
"""Keys that may come twice in one element. Envoy also repeats By and URI: a certificate with two
URI names is no X.509-SVID, so that neither may."""
MAX_FIELD: Final = 65_536
"""Characters. Envoy takes 60 KiB of fields altogether; a whole chain has about 8 KiB."""

Element = dict[str, str]
Mode = Literal["SANITIZE_SET", "APPEND_FORWARD"]
"""Envoy's own words for forward_client_cert_details. In its other modes a client writes the field,
or nobody does."""


def elements_of(text: str) -> list[Element]:
    """Return what each proxy said, the one next to us last; keys in lower case.

    The whole text is read, since where its last element begins depends on every quote before it: an
    unclosed quote further left would otherwise swallow it.

    Raises:
        Refused: AUTHENTIC, code "bad_forwarded_certificate".

    Source: Envoy, "HTTP header manipulation", "x-forwarded-client-cert".
    """
    if len(text) > MAX_FIELD:
        raise _bad(f"it has {len(text)} characters, at most {MAX_FIELD} are read")
    if not (text.isascii() and text.isprintable()):
        raise _bad("it holds more than printable ASCII")
    elements: list[Element] = [{}]
    place, sign = 0, ""
    while place < len(text) or sign:
        found = _PAIR.match(text, place)
        if found is None:
            raise _bad("it isn't key=value pairs of Envoy's grammar")
        key, quoted, plain, sign_after = found.groups()
        if sign == ",":
            elements.append({})
        _add(elements[-1], key.lower(), _ESCAPED.sub(r"\1", quoted) if plain is None else plain)
        place, sign = found.end(), sign_after
    return elements


def forwarded_id(fields: Fields, *, by: str, mode: Mode, at: datetime) -> SpiffeId:
    """Return the SPIFFE id of the client that a proxy names. Who the proxy is was proven before.

    Args:
        fields: As they came from that proxy.
        by: The URI name of the certificate that the proxy shows its clients.
        mode: How the proxy treats a field that its client sent.
        at: When the claim reached us (UTC).

    Raises:
        Refused: AUTHENTIC, code "no_forwarded_certificate", "bad_forwarded_certificate",
            "forwarded_by_another"; with `Cert` in it "bad_svid" or "certificate_dates".
    """
    lines = fields.all(FORWARDED)
    if len(lines) == 0:
        raise Refused(
            AUTHENTIC,
            "the proxy forwards no client certificate",
            code="no_forwarded_certificate",
            hint="the client showed it none, or forward_client_cert_details isn't SANITIZE_SET",
        )
    if len(lines) > 1:
        raise _bad(f"it came {len(lines)} times")
    elements = elements_of(lines[0])
    if mode == "SANITIZE_SET" and len(elements) > 1:
        # Envoy 1.40 writes URI and DNS names as they are, without quotes: a certificate for
        # "spiffe://shop.example/a,By=…;URI=…" would write an element of its own.
        raise _bad(f"it has {len(elements)} elements, and SANITIZE_SET writes one")
    element = elements[-1]
    if element.get("by") != by:
        raise Refused(
            AUTHENTIC,
            "the last element isn't by the declared proxy",
            code="forwarded_by_another",
            hint="by= is the URI name in the certificate that the proxy shows its clients",
        )
    certified = _certified(element, at) if "cert" in element else None
    if certified is not None and "uri" not in element:
        return certified  # of a proxy that knows no names of a certificate, as nginx
    try:
        name = parse_spiffe_id(element.get("uri", ""))
    except ValueError as error:
        raise _bad(f"its URI is no SPIFFE id: {error}") from None
    if not name.path:
        raise _bad("its URI names a trust domain, not a workload")
    # Envoy names the first URI of a certificate alone; the certificate itself tells of a second.
    if certified is not None and certified != name:
        raise _bad("its Cert has another name than its URI")
    return name


def _certified(element: Element, at: datetime) -> SpiffeId:
    """Return whom the certificate itself names.

    Raises:
        Refused: AUTHENTIC, code "bad_forwarded_certificate", "bad_svid", "certificate_dates".
    """
    try:
        leaf = ssl.PEM_cert_to_DER_cert(unquote(element["cert"], errors="strict"))
    except ValueError:
        raise _bad("its Cert is no certificate") from None
    name = spiffe_id_of((leaf,), at=at)
    digest = sha256(leaf).hexdigest()
    if element.get("hash", digest).lower() != digest:
        raise _bad("its Hash isn't its Cert's")
    return name


def _add(element: Element, key: str, value: str) -> None:
    if key not in _KEYS:
        raise _bad("it has a key that Envoy's grammar hasn't")
    if key in element and key not in _SEVERAL:
        raise _bad(f"it has {key} twice in one element")
    element[key] = value


def _bad(why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"X-Forwarded-Client-Cert doesn't name one client: {why}",
        code="bad_forwarded_certificate",
        hint="compare forward_client_cert_details of the proxy; SANITIZE_SET with uri: true",
    )
