"""A certificate authority of a trust domain, and the certificates that it issues to workloads."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
BOTH = (ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH)


def usage(*wanted: str) -> x509.KeyUsage:
    """Return a key usage of these bits."""
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: name in wanted for name in names})


class Authority:
    """A CA of its own."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self._key = load_pem_private_key(self.ca.private_key_pem.bytes(), None)
        self._certificate = x509.load_pem_x509_certificate(self.ca.cert_pem.bytes())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())

    def issue(
        self,
        *uris: str,
        subject: str = "workload",
        not_before: datetime = NOW - HOUR,
        not_after: datetime = NOW + HOUR,
        is_ca: bool | None = False,
        key_usage: x509.KeyUsage | None = usage("digital_signature"),
        purposes: Sequence[x509.ObjectIdentifier] = BOTH,
        hosts: Sequence[str] = (),
    ) -> bytes:
        """Return a leaf certificate, DER."""
        names = [x509.UniformResourceIdentifier(uri) for uri in uris]
        names += [x509.DNSName(host) for host in hosts]
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.STREET_ADDRESS, subject)]))
            .issuer_name(self._certificate.subject)
            .public_key(self._leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        extensions: list[tuple[x509.ExtensionType, bool]] = []
        if names:
            extensions.append((x509.SubjectAlternativeName(names), False))
        if is_ca is not None:
            extensions.append((x509.BasicConstraints(ca=is_ca, path_length=None), True))
        if key_usage is not None:
            extensions.append((key_usage, True))
        if purposes:
            extensions.append((x509.ExtendedKeyUsage(list(purposes)), False))
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        signed = builder.sign(self._key, hashes.SHA256())  # type: ignore[arg-type]
        return signed.public_bytes(Encoding.DER)

    def write(self, path: Path, leaf: bytes) -> str:
        """Write a leaf certificate with its key, as PEM, and return where."""
        key = self._leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(pem(leaf).encode() + key)
        return str(path)


def pem(der: bytes) -> str:
    """Return a certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
