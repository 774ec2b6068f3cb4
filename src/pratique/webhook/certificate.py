"""Senders that sign with RSA and name the URL of their certificate in the delivery."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.certificate import DatedKey, key_of_certificate
from pratique.core.proofs.authentic.public_key import Signer, rsa_key
from pratique.core.refusal import Refused

from .asymmetric import SignatureVerifier
from .facts import Facts
from .key_address import KeyAddress
from .named_key import COLLECTION, KNOWN_KEYS, NamedKeys
from .pin import Pin
from .verify import Verifier, Verify, strict_base64

FETCH: Final = "fetch_certificate"
"""The pin with which a declaration hands in how a certificate is fetched: (url) -> PEM."""
LIFE: Final = timedelta(hours=24)
_DIGESTS: Final = ("sha256", "sha1")


def pieces_of(
    url: str, claim: Claim, signed: bytes, *, digest: str = "sha256"
) -> tuple[bytes, ...]:
    """Return what the verifiers here work with: whose key, as of when, which hash, which bytes.

    Args:
        url: That was judged by an `KeyAddress`.
        claim: What came.
        signed: What the sender signs.
        digest: "sha256"; "sha1" where the declaration admits it. Never the delivery's own word.
    """
    return url.encode(), str(claim.received_at.timestamp()).encode(), digest.encode(), signed


class _Dated:
    """A certificate's key with both hashes, and when it is in force."""

    __slots__ = ("_dated", "by_digest")

    def __init__(self, dated: DatedKey) -> None:
        self._dated = dated
        self.by_digest: Mapping[bytes, Signer] = {
            digest.encode(): rsa_key(dated.material, digest=digest) for digest in _DIGESTS
        }

    def require_in_force(self, at: bytes) -> None:
        if not self._dated.holds(datetime.fromtimestamp(float(at), UTC)):
            raise Refused(
                AUTHENTIC,
                "its certificate isn't in force",
                code="certificate_not_in_force",
                hint="compare this host's clock; let the sender roll its certificate",
            )


class CertificateVerifier:
    """The keys of certificates that are fetched from URLs which deliveries name."""

    __slots__ = ("_keys", "is_short")

    def __init__(self, keys: NamedKeys[_Dated]) -> None:
        self._keys = keys
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`. KeyWanted where a certificate isn't at hand."""
        find, note = self._keys.find, self._keys.note

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            url, at, digest, signed = pieces
            raw = [strict_base64(each) for each in candidates if each.isascii()]
            if not any(raw):
                return False  # whatever is no signature at all costs no look
            dated = find(url.decode())
            dated.require_in_force(at)
            check = dated.by_digest[digest].verify
            if not any(check(each, signed) for each in raw if each):
                return False
            note(url.decode())
            return True

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """Refuse: a certificate signs nothing."""
        _ = pieces
        message = "a fetched certificate only verifies: seal with the private key as a PEM"
        raise ValueError(message)


class PinnedVerifier:
    """One key that the declaration pins as a PEM: nothing is fetched."""

    __slots__ = ("_by_digest", "is_short")

    def __init__(self, pem: str) -> None:
        key = key_of_certificate(pem.encode()).material if "CERTIFICATE-----" in pem else pem
        self._by_digest = {
            digest.encode(): SignatureVerifier(rsa_key(key, digest=digest), encoding="base64")
            for digest in _DIGESTS
        }
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        checks = {digest: each.compiled() for digest, each in self._by_digest.items()}
        return lambda pieces, candidates: checks[pieces[2]](pieces[3:], candidates)

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        return self._by_digest[pieces[2]].seal(pieces[3:])


def pinned(secret: str) -> Verifier:
    """Return the keying of a PEM: a certificate, a public key, or for tests a private key."""
    return PinnedVerifier(secret)


def fetched(facts: Facts) -> Verifier | None:
    """Return the verifier of fetched certificates; None where the declaration hands nothing in."""
    fetch, known = facts.pins.get(FETCH), facts.pins.get(KNOWN_KEYS, ())
    if fetch is None:
        return None
    return CertificateVerifier(NamedKeys(fetch, _read, life=LIFE, known=known))


def known_at(*addresses: KeyAddress) -> Pin:
    """Return the pin with URLs of the sender's certificates, each at one of these addresses."""

    def fits(told: Collection[object]) -> bool:
        return bool(told) and all(any(address.holds(url) for address in addresses) for url in told)

    return Pin(KNOWN_KEYS, COLLECTION, fits=fits)


def _read(found: object) -> _Dated:
    pem = found.encode() if isinstance(found, str) else found
    if not isinstance(pem, bytes):
        message = f"{type(found).__name__} is no PEM"
        raise ValueError(message)  # noqa: TRY004  one error for whatever is no key
    return _Dated(key_of_certificate(pem))
