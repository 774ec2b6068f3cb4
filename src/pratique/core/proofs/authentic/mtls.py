"""Who a client certificate names: the SPIFFE id of a chain that TLS has verified."""

import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, TypeVar

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pratique.core.claim import Via
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Answer, Refused

E = TypeVar("E", bound=x509.ExtensionType)
# SPIFFE-ID §2.1: trust domain = 1*255 of [a-z0-9.-_]. §2.2: segments of [a-zA-Z0-9.-_], none empty,
# none "." or "..", no "/" at the end. Nothing may be percent-encoded, so that nothing is decoded.
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9._-]{1,255}")
_SEGMENTS: Final = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[a-zA-Z0-9._-]+)+")
_SCHEME: Final = "spiffe://"
MAX_ID: Final = 2048
"""Characters of a SPIFFE id. SPIFFE-ID §2.3."""
MAX_CERTIFICATE: Final = 65_536
"""Bytes of a leaf. OpenSSL takes 100 KiB for a whole chain; a SPIRE leaf has 1 KiB."""
_svids: Final = Memo[bytes, "Svid"](1024)
"""Certificates that were read, by SHA-256. What is refused isn't kept."""
_times: Final = Memo[bytes, tuple[datetime, datetime]](1024)
"""From when until when certificates hold that need be nothing else, by SHA-256."""


def shown_chain(via: Via) -> Sequence[bytes]:
    """Return the chain that our server verified, empty where the client showed none.

    Args:
        via: How the claim came; the certificates are DER, the leaf first.

    Raises:
        Refused: AUTHENTIC, code "client_certificate_unseen" (503): the server shows none to us.
    """
    tls = via.tls
    if tls is None or tls.unseen:
        raise Refused(
            AUTHENTIC,
            tls.unseen if tls is not None else "the server says nothing of client certificates",
            code="client_certificate_unseen",
            hint="docs/how-to/prove-a-calling-service-by-mtls.md",
            answer=Answer.RETRY,
        )
    return tls.client_chain


class SpiffeId(msgspec.Struct, frozen=True, gc=False):
    """A workload's name: "spiffe://shop.example/gateway". Source: SPIFFE-ID §2."""

    trust_domain: str
    path: str
    """With its slash: "/gateway". "" names the trust domain itself, which is no workload."""

    def __str__(self) -> str:
        """Write it as a URI."""
        return f"{_SCHEME}{self.trust_domain}{self.path}"


class Svid(msgspec.Struct, frozen=True, gc=False):
    """What one certificate says of its holder."""

    id: SpiffeId
    not_before: datetime
    not_after: datetime


def is_trust_domain(text: str) -> bool:
    """Say whether it is the name of a trust domain: "shop.example", lower case."""
    return _TRUST_DOMAIN.fullmatch(text) is not None


def parse_spiffe_id(text: str) -> SpiffeId:
    """Read a SPIFFE id in the one spelling that it has. Source: SPIFFE-ID §2.1 to §2.3.

    Upper case in the scheme or the trust domain is refused, though §2.4 would fold it: two
    spellings of one name are read differently by two programs (CWE-436).

    Raises:
        ValueError: it is none. The message doesn't repeat it.
    """
    if len(text) > MAX_ID:
        raise ValueError(f"it has {len(text)} characters, a SPIFFE id has at most {MAX_ID}")
    if not text.startswith(_SCHEME):
        raise ValueError('it doesn\'t begin with "spiffe://"')
    trust_domain, slash, rest = text.removeprefix(_SCHEME).partition("/")
    if not is_trust_domain(trust_domain):
        raise ValueError("its trust domain isn't 1 to 255 of a-z, 0-9, '.', '-' and '_'")
    path = slash + rest
    if path and _SEGMENTS.fullmatch(path) is None:
        raise ValueError("its path isn't segments of a-z, A-Z, 0-9, '.', '-' and '_'")
    return SpiffeId(trust_domain, path)


def spiffe_id_of(chain: Sequence[bytes], *, at: datetime) -> SpiffeId:
    """Return the SPIFFE id that a verified certificate chain names.

    It doesn't verify the chain: whoever ended TLS did, against the CA bundle of the trust domain.

    Args:
        chain: DER, leaf first, as TLS verified it.
        at: When the claim reached us (UTC): a connection outlives the certificate that opened it.

    Raises:
        Refused: AUTHENTIC, code "no_client_certificate" for an empty chain, "bad_svid" for a leaf
            that isn't one workload's, "certificate_dates" before or after its time.

    Source: X.509-SVID §2, §4.1, §4.3, §4.4, §5.2.
    """
    if not chain:
        raise Refused(
            AUTHENTIC,
            "the client showed no certificate",
            code="no_client_certificate",
            hint="the caller connects without mTLS, or TLS ends before this server",
        )
    svid = svid_of(chain[0])
    _require_between(svid.not_before, svid.not_after, at)
    return svid.id


def require_in_time(leaf: bytes, *, at: datetime) -> None:
    """Refuse a verified client certificate before or after its time, whatever it names.

    Args:
        leaf: DER, as TLS verified it.
        at: When the claim reached us (UTC): a connection outlives the certificate that opened it.

    Raises:
        Refused: AUTHENTIC, code "certificate_dates"; also where its time can't be read.

    Source: RFC 5280 §4.1.2.5.
    """
    digest = sha256(leaf).digest()
    times = _times.get(digest)
    if times is None:
        times = _times.keep(digest, _read_times(leaf))
    _require_between(*times, at)


def _read_times(leaf: bytes) -> tuple[datetime, datetime]:
    why = f"it has {len(leaf)} bytes, at most {MAX_CERTIFICATE} are read"
    if len(leaf) <= MAX_CERTIFICATE:
        try:
            read = x509.load_der_x509_certificate(leaf)
            return read.not_valid_before_utc, read.not_valid_after_utc
        except Exception as error:  # noqa: BLE001  cryptography has a dozen of them
            why = type(error).__name__
    raise Refused(
        AUTHENTIC,
        f"the time of the client certificate can't be read: {why}",
        code="certificate_dates",
        hint="look at the certificate that the caller shows",
    )


def _require_between(begin: datetime, end: datetime, at: datetime) -> None:
    if not begin <= at <= end:
        when = "ended" if at > end else "has not begun"
        raise Refused(
            AUTHENTIC,
            f"the time of the client certificate {when} ({begin.isoformat()} to {end.isoformat()})",
            code="certificate_dates",
            hint="look whether the caller still renews its certificate",
        )


def svid_of(leaf: bytes) -> Svid:
    """Read a leaf certificate as an X.509-SVID.

    Raises:
        Refused: AUTHENTIC, code "bad_svid".
    """
    digest = sha256(leaf).digest()
    svid = _svids.get(digest)
    if svid is None:
        svid = _svids.keep(digest, _read(leaf))
    return svid


def _read(leaf: bytes) -> Svid:
    if len(leaf) > MAX_CERTIFICATE:
        raise _bad(f"it has {len(leaf)} bytes, at most {MAX_CERTIFICATE} are read")
    try:
        certificate = x509.load_der_x509_certificate(leaf)
        extensions = certificate.extensions
        not_before, not_after = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        uris = _uris(extensions)
    except Exception as error:  # noqa: BLE001  cryptography has a dozen of them
        raise _bad(f"it can't be read ({type(error).__name__})") from None
    _require_leaf(extensions)
    if len(uris) != 1:
        raise _bad(f"it has {len(uris)} URI names, an X.509-SVID has exactly one")
    try:
        name = parse_spiffe_id(uris[0])
    except ValueError as error:
        raise _bad(f"its URI name is no SPIFFE id: {error}") from None
    if not name.path:
        raise _bad("its SPIFFE id has no path: it names a trust domain, not a workload")
    return Svid(name, not_before, not_after)


def _uris(extensions: x509.Extensions) -> list[str]:
    found = _extension(extensions, x509.SubjectAlternativeName)
    return found.get_values_for_type(x509.UniformResourceIdentifier) if found is not None else []


def _require_leaf(extensions: x509.Extensions) -> None:
    # X.509-SVID §5.2: a signing certificate never identifies a caller.
    basic = _extension(extensions, x509.BasicConstraints)
    if basic is not None and basic.ca:
        raise _bad("it is a CA's")
    usage = _extension(extensions, x509.KeyUsage)
    if usage is None:
        raise _bad("it doesn't say what its key is for (key usage)")
    if usage.key_cert_sign or usage.crl_sign:
        raise _bad("its key may sign certificates")
    if not usage.digital_signature:
        raise _bad("its key isn't for signatures (digitalSignature)")
    purposes = _extension(extensions, x509.ExtendedKeyUsage)
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        raise _bad("it isn't for a client (clientAuth)")


def _extension(extensions: x509.Extensions, kind: type[E]) -> E | None:
    return next((e.value for e in extensions if isinstance(e.value, kind)), None)


def _bad(why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"the client certificate is no X.509-SVID: {why}",
        code="bad_svid",
        hint="a certificate of another system, or an issuer that doesn't follow SPIFFE",
    )
