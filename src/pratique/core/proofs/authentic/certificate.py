"""The key in a certificate that was fetched from where only its sender can put one."""

from datetime import datetime
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from .algorithm import Material
from .jwk import checked_public, material_of_pem

MAX_PEM: Final = 65_536
"""Bytes. A certificate has 2 KiB, a chain of four 8."""
_CERTIFICATE: Final = b"-----BEGIN CERTIFICATE-----"
_UNREADABLE: Final = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm)


class DatedKey(NamedTuple):
    """A public key, and between which times it may be used; None where nothing says so."""

    material: Material
    not_before: datetime | None
    not_after: datetime | None

    def holds(self, at: datetime) -> bool:
        """Say whether it is in force."""
        return (self.not_before is None or at >= self.not_before) and (
            self.not_after is None or at <= self.not_after
        )


def key_of_certificate(pem: bytes) -> DatedKey:
    """Return the key of a PEM's first certificate, or of the public key that it is.

    Its chain isn't judged: that it was fetched over TLS from the host that the declaration pins is
    what it rests on. A self-made certificate there would be the host's own.

    Raises:
        ValueError: it is neither, over 64 KiB, or its key is weak.

    Source: RFC 5280 §4.1.2.5 (validity); RFC 7468 §5.
    """
    if len(pem) > MAX_PEM:
        message = f"it has {len(pem)} bytes, at most {MAX_PEM} are read"
        raise ValueError(message)
    if _CERTIFICATE not in pem:
        return DatedKey(material_of_pem(pem), None, None)
    try:
        leaf = x509.load_pem_x509_certificate(pem)
        public = leaf.public_key()
    except _UNREADABLE as error:
        message = f"it can't be read as a certificate ({type(error).__name__})"
        raise ValueError(message) from None
    return DatedKey(checked_public(public), leaf.not_valid_before_utc, leaf.not_valid_after_utc)
