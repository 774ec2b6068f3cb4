"""An authority of the demonstration, and the certificates of its hosts, made anew each run."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey
LIFE = timedelta(days=1)
_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
_USES_OF_CA = ("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


class Authority:
    """Issues certificates. Only processes that are told so by SSL_CERT_FILE believe it.

    Args:
        folder: Where "ca.pem" and the certificates go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("the demonstration's authority")
        self.path = folder / "ca.pem"
        certificate = _certificate(self._name, self._name, self._key, self._key, names=())
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, file: str, names: Sequence[str], *, workload: str = "") -> Path:
        """Write the certificate and the key of a host; return the file.

        Args:
            file: Its name.
            names: Of the host.
            workload: Its SPIFFE id, where it also calls others.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate(
            _name(names[0]), self._name, key, self._key, names=names, workload=workload
        )
        return self._written(file, made, key)

    def self_signed(self, file: str, names: Sequence[str]) -> Path:
        """Write the certificate of a host that vouches for itself; return the file."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(names[0])
        return self._written(file, _certificate(name, name, key, key, names=names), key)

    def _written(self, file: str, certificate: x509.Certificate, key: Key) -> Path:
        path = self._folder / file
        path.write_bytes(
            certificate.public_bytes(Encoding.PEM)
            + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        return path


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: Key,
    by: Key,
    *,
    names: Sequence[str],
    workload: str = "",
) -> x509.Certificate:
    """Return a certificate: of the authority itself where no host is named. Source: RFC 5280 §4."""
    now = datetime.now(UTC)
    is_ca = not names
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False
        )
        .add_extension(_uses("key_cert_sign" if is_ca else "digital_signature"), critical=True)
    )
    if not is_ca:
        named: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH]
        if workload:
            named.append(x509.UniformResourceIdentifier(workload))
            purposes.append(ExtendedKeyUsageOID.CLIENT_AUTH)
        made = made.add_extension(x509.SubjectAlternativeName(named), critical=False).add_extension(
            x509.ExtendedKeyUsage(purposes), critical=False
        )
    return made.sign(by, SHA256())


def _uses(one: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{use: use == one for use in (*_USES, *_USES_OF_CA)})
