"""Senders that send a signed token beside the content, with its digest among the token's claims."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

import msgspec

from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic import base64url
from pratique.core.proofs.authentic.hmac import HmacKey, compare_digest
from pratique.core.proofs.authentic.jws import Opener, claims_of, header_of, split_token
from pratique.core.proofs.authentic.key import KeySet
from pratique.core.proofs.authentic.public_key import es256_token
from pratique.core.refusal import BoundaryError, Refused

from .facts import Facts
from .named_key import KNOWN_KEYS, NamedKeys
from .signature_field import field, malformed
from .verify import Verifier, Verify

FETCH: Final = "fetch_key"
"""The pin with which a declaration hands in how a key is got: (kid) -> its JWK, None for none."""
KEY_LIFE: Final = timedelta(hours=1)
"""A key that is taken back gets an end date, which is seen when it is looked for again."""
LEEWAY: Final = 1.0
"""Seconds; MessageBird's own figure."""
_HMACS: Final = frozenset({"HS256", "HS384", "HS512"})
_ES256: Final = frozenset({"ES256"})
_HEAD: Final = b'{"alg":"HS256","typ":"JWT"}'


def unproven(claim: Claim, name: str) -> tuple[str, Mapping[str, Any], Mapping[str, Any]]:
    """Return the token in a field, with its header and claims. Nothing of it is proven yet.

    Raises:
        Refused: AUTHENTIC, it is no token that could be verified.
    """
    token = field(claim.fields, name)
    head, _, payload = split_token(token)[0].partition(b".")
    try:
        return token, header_of(head), claims_of(base64url.decode(payload))
    except ValueError:
        raise malformed(name, "a segment isn't base64url without padding") from None


def seconds(claims: Mapping[str, Any], name: str, where: str) -> str:
    """Return a date of a token as whole seconds, in digits."""
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 10**11:
        raise malformed(where, f"{name} isn't whole seconds since 1970")
    return str(value)


class KeyedToken:
    """Tokens whose key is named by `kid`, and that hold the content's digest.

    Args:
        find: (kid) -> what opens its tokens, and until when (seconds since 1970).
        private: A private key as a PEM, where it is to sign.
        note: Is told the `kid` of each token that held; None: nobody is.
    """

    __slots__ = ("_find", "_note", "_private", "is_short")

    def __init__(
        self,
        find: Callable[[str], tuple[Opener, float]],
        private: str = "",
        *,
        note: Callable[[str], object] | None = None,
    ) -> None:
        self._find, self._private, self._note = find, private, note
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        find, note = self._find, self._note

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            kid, at, digest = pieces
            opener, ends_at = find(kid.decode())
            if float(at) > ends_at:
                raise Refused(
                    AUTHENTIC,
                    "its key has expired",
                    code="unknown_key",
                    hint="the sender has taken the key back; its newer events name another",
                )
            claims = _opened(opener, candidates[0])
            if claims is None or not _is(claims, "request_body_sha256", digest):
                return False
            if note is not None:
                note(kid.decode())
            return True

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        kid, at, digest = (piece.decode() for piece in pieces)
        head = msgspec.json.encode({"alg": "ES256", "kid": kid, "typ": "JWT"})
        claims = {"iat": int(float(at)), "request_body_sha256": digest}
        return es256_token(head, msgspec.json.encode(claims), self._private)


def fetched_key(facts: Facts) -> Verifier | None:
    """Return the verifier of tokens whose keys are got by `kid`; None where nothing gets them."""
    fetch, known = facts.pins.get(FETCH), facts.pins.get(KNOWN_KEYS, ())
    if fetch is None:
        return None
    keys = NamedKeys(fetch, _of_jwk, life=KEY_LIFE, known=known)
    return KeyedToken(keys.find, note=keys.note)


def pinned_key(pem: str) -> Verifier:
    """Return the verifier of tokens of one key that the declaration pins.

    ValueError where it is no key on P-256. A private key, for tests, is a PEM too.
    """
    if "PRIVATE KEY-----" in pem:
        es256_token(b"{}", b"{}", pem)
        return KeyedToken(_no_key, pem)
    opener = Opener(_keys_of(pem), _ES256)
    return KeyedToken(lambda _kid: (opener, float("inf")))


class UrlToken:
    """HMAC tokens that hold the digests of our URL and of the content. MessageBird's form."""

    __slots__ = ("_opener", "_secret", "is_short")

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._opener = Opener(_keys_of(self._secret), _HMACS)
        self.is_short = False

    def compiled(self) -> Verify:
        """See `Verifier.compiled`."""
        opener = self._opener

        def verify(pieces: tuple[bytes, ...], candidates: Sequence[str]) -> bool:
            url, content, at, _, _ = pieces
            claims = _opened(opener, candidates[0])
            if claims is None or claims.get("iss") != "MessageBird":
                return False
            # A digest without content, or content without its digest, is a change too.
            told = _is(claims, "payload_hash", _digest(content)) if content else (
                "payload_hash" not in claims
            )  # fmt: skip
            if not (told and _is(claims, "url_hash", _digest(url))):
                return False
            _require_in_force(claims, float(at))
            return True

        return verify

    def seal(self, pieces: tuple[bytes, ...]) -> str:
        """See `Verifier.seal`."""
        url, content, _, identity, time = pieces
        claims: dict[str, Any] = {"iss": "MessageBird", "nbf": int(time), "exp": int(time) + 60}
        claims |= {"jti": identity.decode(), "url_hash": _digest(url).decode()}
        if content:
            claims["payload_hash"] = _digest(content).decode()
        signed = f"{base64url.encode(_HEAD)}.{base64url.encode(msgspec.json.encode(claims))}"
        mac = HmacKey(self._secret).digest(signed.encode())
        return f"{signed}.{base64url.encode(mac)}"


def _require_in_force(claims: Mapping[str, Any], at: float) -> None:
    ends = int(seconds(claims, "exp", "token"))
    if at > ends + LEEWAY:
        raise Refused(
            FRESH,
            f"its token expired {at - ends:.0f} s ago",
            code="expired_token",
            hint="compare this host's clock with the sender's",
        )


def _opened(opener: Opener, token: str) -> Mapping[str, Any] | None:
    try:
        return claims_of(opener.open(token)[1])
    except Refused:
        return None


def _is(claims: Mapping[str, Any], name: str, digest: bytes) -> bool:
    told = claims.get(name)
    return isinstance(told, str) and told.isascii() and compare_digest(told.encode(), digest)


def _digest(content: bytes) -> bytes:
    return sha256(content).hexdigest().encode()


def _of_jwk(found: Any) -> tuple[Opener, float]:
    jwk = found.get("key", found)
    ends = jwk.get("expired_at")
    opener = Opener(_keys_of(jwk), _ES256)
    return opener, float("inf") if ends is None else float(ends)


def _keys_of(told: Any) -> KeySet:
    try:
        return KeySet.of(told)
    except BoundaryError as error:
        raise ValueError(str(error)) from None


def _no_key(_kid: str) -> tuple[Opener, float]:
    raise Refused(AUTHENTIC, "a private key only signs", code="unusable_keys")
