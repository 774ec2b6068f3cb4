"""The private key of a minter: made once, kept in a file that its owner alone reads."""

import os
import stat
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from pratique.core.proofs.authentic.base64url import encode
from pratique.core.refusal import BoundaryError

ALGORITHMS: Final = ("EdDSA", "ES256")
MAX_FILE_BYTES: Final = 16_384
"""A PEM of one such key is 241 bytes at most."""
_MAX_NAME: Final = 128
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_BEGIN: Final = "-----BEGIN "
_P256_BYTES: Final = 32
Private: TypeAlias = Ed25519PrivateKey | ec.EllipticCurvePrivateKey


class SigningKey:
    """Signs for one minter, in the one algorithm that its kind serves.

    Args:
        key: Ed25519, or EC on P-256.
        name: Its `kid`: up to 128 printable ASCII characters without a space.

    Raises:
        BoundaryError: the key is of another kind, or the name isn't of that form.
    """

    __slots__ = ("_key", "algorithm", "name")

    def __init__(self, key: object, *, name: str) -> None:
        if not name or len(name) > _MAX_NAME or not all("!" <= sign <= "~" for sign in name):
            raise BoundaryError(
                "A signing key's kid is 1 to 128 printable ASCII characters without a space."
            )
        if isinstance(key, Ed25519PrivateKey):
            self.algorithm = "EdDSA"
        elif isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
            self.algorithm = "ES256"
        else:
            raise BoundaryError("The signing key is neither Ed25519 (EdDSA) nor on P-256 (ES256).")
        self._key: Private = key
        self.name = name

    @classmethod
    def new(cls, name: str, *, algorithm: str = "EdDSA") -> Self:
        """Make a key.

        Raises:
            BoundaryError: the algorithm is none of `ALGORITHMS`, or the name isn't usable.
        """
        if algorithm not in ALGORITHMS:
            raise BoundaryError(f"A signing key is for {' or '.join(ALGORITHMS)}.")
        if algorithm == "EdDSA":
            return cls(Ed25519PrivateKey.generate(), name=name)
        return cls(ec.generate_private_key(ec.SECP256R1()), name=name)

    @classmethod
    def of_pem(cls, text: str, *, name: str | None = None) -> Self:
        """Take the one private key of a PEM, as a secret store hands it out.

        Args:
            text: PKCS#8, not encrypted. A line `kid: NAME` may stand before it.
            name: Its `kid` where no such line says it.

        Raises:
            BoundaryError: it holds anything else, or doesn't say its `kid`, or another one.

        Source: RFC 7468 §2 (what stands before the first line is explanatory text), §10.
        """
        before, begin, rest = text.partition(_BEGIN)
        if not begin or _BEGIN in rest or not rest.startswith("PRIVATE KEY-----"):
            kind = " It is encrypted." if rest.startswith("ENCRYPTED") else ""
            raise BoundaryError(f"It isn't one PKCS#8 PEM of a private key alone.{kind}")
        told = _told_name(before)
        if told is None and name is None:
            raise BoundaryError("The key doesn't say its name: write a first line `kid: NAME`.")
        if told is not None and name not in (None, told):
            raise BoundaryError("The line kid: says another name than name=.")
        try:
            key = load_pem_private_key((begin + rest).encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            # What the library says may show a part of what it read.
            raise BoundaryError(
                f"It can't be read as a private key ({type(error).__name__})."
            ) from None
        return cls(key, name=told or name or "")

    @classmethod
    def read(cls, path: Path | str, *, name: str | None = None) -> Self:
        """Take the key of a file that nobody but its owner may read.

        Raises:
            BoundaryError: the file isn't there, others may read it, and what `of_pem` refuses.
        """
        return cls.of_pem(_private_text(Path(path)), name=name)

    def write(self, path: Path | str) -> None:
        """Write it to a new file with mode 0600, with its name before it.

        Raises:
            BoundaryError: the file exists already, or can't be made.
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            # O_EXCL follows no link either; the mode is there before the first byte is.
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise BoundaryError(
                f"{path} exists already, and a key is never overwritten. Name another file."
            ) from None
        except OSError as error:
            raise BoundaryError(f"{path} can't be made: {error.strerror}.") from None
        try:
            with os.fdopen(opened, "wb") as file:
                file.write(f"kid: {self.name}\n".encode() + pem)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            Path(path).unlink(missing_ok=True)
            raise BoundaryError(f"{path} can't be written: {error.strerror}.") from None

    def jwk(self) -> dict[str, Any]:
        """Return its public key as a JWK. Source: RFC 7517 §4, RFC 7518 §6.2.1, RFC 8037 §2."""
        told = {"kid": self.name, "alg": self.algorithm, "use": "sig"}
        if isinstance(self._key, Ed25519PrivateKey):
            raw = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"kty": "OKP", "crv": "Ed25519", "x": encode(raw), **told}
        numbers = self._key.public_key().public_numbers()
        x, y = (encode(each.to_bytes(_P256_BYTES, "big")) for each in (numbers.x, numbers.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **told}

    def sign(self, content: bytes) -> bytes:
        """Return the signature of a JWS. Source: RFC 7518 §3.4, RFC 8037 §3.1."""
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(content)
        r, s = decode_dss_signature(self._key.sign(content, ec.ECDSA(SHA256())))
        return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")

    def __repr__(self) -> str:
        """Return its name and algorithm alone."""
        return f"SigningKey({self.name!r}, {self.algorithm})"

    def __reduce__(self) -> str:
        message = "a SigningKey is not picklable"
        raise TypeError(message)


def public_set(keys: list[SigningKey]) -> dict[str, Any]:
    """Return the JWK set of some keys, for whoever verifies.

    Raises:
        BoundaryError: there is none, or two have one `kid`: a verifier would take neither.
    """
    if not keys:
        raise BoundaryError("A JWK set has one key at least.")
    names = [key.name for key in keys]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BoundaryError(
            f"Two keys have the kid {twice[0]}: verifiers take neither. Make one with another kid."
        )
    return {"keys": [key.jwk() for key in keys]}


def _told_name(before: str) -> str | None:
    lines = [line for line in before.splitlines() if line.startswith("kid:")]
    if len(lines) > 1:
        raise BoundaryError("The key says its name twice: keep one line kid:.")
    return lines[0].removeprefix("kid:").strip() if lines else None


def _private_text(path: Path) -> str:
    try:
        # Not to block where somebody has put a pipe there.
        opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BoundaryError(f"{path} can't be read: {error.strerror}.") from None
    told = os.fstat(opened)  # of what was opened, not of what the path names a moment later
    if not stat.S_ISREG(told.st_mode):
        os.close(opened)
        raise BoundaryError(f"{path} is no plain file.")
    with os.fdopen(opened, "rb") as file:
        if told.st_mode & _OTHERS:
            raise BoundaryError(
                f"{path} is open to others (mode {stat.S_IMODE(told.st_mode):04o}): chmod 600 it, "
                "and make a new key where somebody may have read it."
            )
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES or not content.isascii():
        raise BoundaryError(f"{path} holds no key: it is too long, or not ASCII.")
    return content.decode("ascii")
