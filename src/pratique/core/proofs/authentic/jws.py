"""Is this signed by a key of ours? Compact JWS, read in one way alone."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from pratique.core.obligation import AUTHENTIC, Obligation
from pratique.core.refusal import BoundaryError, Refused

from . import base64url
from .algorithm import ALGORITHMS, Verify
from .key import Keys, KeySet, KeySource, key_source
from .strict_json import DuplicateMemberError, frozen, object_of

MAX_TOKEN_BYTES: Final = 16_384
"""What an HTTP server takes for all fields together is 8 to 64 KiB; many groups make
a token of 6."""
MAX_HEADINGS: Final = 256
"""Headers that are remembered. An issuer has one a key; only a verified token's is kept."""
FORBIDDEN: Final = frozenset({"jku", "x5u", "x5c", "jwk", "crit", "b64", "zip"})
"""A key or its place named by the token (CVE-2018-0114), and extensions that change what is signed:
none is understood here, so RFC 7515 §4.1.11 has them refused."""
_PREFIX: Final = "application/"


class TokenRefused(Refused):
    """A token that proves nothing. The caller is told the same, whatever was wrong: 401.

    Args:
        detail: For the operator.
        code: Stable, in docs/reference/refusals.md.
        obligation: FRESH for the dates, else AUTHENTIC.
        hint: For the operator: what to do now.
    """

    def __init__(
        self, detail: str, *, code: str, obligation: Obligation = AUTHENTIC, hint: str = ""
    ) -> None:
        super().__init__(obligation, detail, code=code, hint=hint, status=401)

    def problem(self) -> dict[str, object]:
        """Return the one problem details object of every refused token."""
        return {"type": "urn:pratique:refusal:authentic", "title": "Not authentic", "status": 401}


class Jws(msgspec.Struct, frozen=True):
    """What one of the keys signed.

    Args:
        header: The members of the protected header, read-only.
        payload: The signed bytes. Nothing is known of them but who signed.
    """

    header: Mapping[str, Any]
    payload: bytes

    def __repr__(self) -> str:
        """Return the size alone."""
        return f"Jws({len(self.payload)} bytes)"


class Heading(msgspec.Struct, frozen=True):
    """A protected header that was read, with the check that it asks for.

    Args:
        members: As they came.
        type: Its `typ` in lower case without a leading "application/"; "" where it has none.
        verify: The check of its algorithm with its key.
    """

    members: dict[str, Any]
    type: str
    verify: Verify


class _Moment:
    """The keys of one moment, with the headings that were verified with them."""

    __slots__ = ("headings", "keys")

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.headings: dict[bytes, Heading] = {}


class Opener:
    """Opens tokens that are signed by one of these keys in one of these algorithms.

    Args:
        source: The keys, asked anew for each token.
        algorithms: The names of RFC 7518 §3.1 and RFC 8037 §3.1 that may be used.
    """

    __slots__ = ("_algorithms", "_moment", "_source")

    def __init__(self, source: KeySource, algorithms: frozenset[str]) -> None:
        self._source = source
        self._algorithms = algorithms
        self._moment = _Moment(source.current)

    def open(self, token: str) -> tuple[Heading, bytes]:
        """Return the header and the signed bytes of a token.

        Raises:
            Refused: AUTHENTIC; nothing else.
        """
        signed, signature = split_token(token)
        moment = self._moment
        if (keys := self._source.current) is not moment.keys:
            moment = self._moment = _Moment(keys)
        head, _, body = signed.partition(b".")
        heading = moment.headings.get(head)
        is_new = heading is None
        if heading is None:
            heading = self._read(head, keys)
        try:
            matches = heading.verify(base64url.decode(signature), signed)
            payload = base64url.decode(body)
        except ValueError:
            raise _malformed("a segment isn't base64url without padding") from None
        if not matches:
            raise TokenRefused(
                "the key that the token names didn't make its signature",
                code="bad_signature",
                hint="compare the key with the issuer's; the token may have been changed",
            )
        if is_new:
            # Only what a key of ours signed is remembered: a stranger can't fill it.
            if len(moment.headings) >= MAX_HEADINGS:
                moment.headings.clear()
            moment.headings[head] = heading
        return heading, payload

    def _read(self, head: bytes, keys: KeySet) -> Heading:
        """Read a header; nothing in it chooses more than one of our keys. RFC 8725 §3.1."""
        members = header_of(head)
        if not FORBIDDEN.isdisjoint(members):
            raise TokenRefused(
                "the header has one of jku, x5u, x5c, jwk, crit, b64, zip",
                code="forbidden_header",
                hint="the token names its own key, or an extension that changes what is signed",
            )
        algorithm, name, kind = members.get("alg"), members.get("kid"), members.get("typ", "")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise TokenRefused(
                "the algorithm isn't one of " + ", ".join(sorted(self._algorithms)),
                code="algorithm_not_allowed",
            )
        if not isinstance(kind, str) or ("kid" in members and not isinstance(name, str)):
            raise _malformed("typ or kid is no text")
        key = keys.find(name)
        if key is None:
            raise TokenRefused(
                "none of the keys has the name in the header"
                if name is not None
                else "the header names no key, and there are several",
                code="unknown_key",
                hint="the issuer may have rolled its keys, or the token is another issuer's",
            )
        if algorithm not in key.algorithms:
            raise TokenRefused(
                f"the key that it names is for {', '.join(sorted(key.algorithms))}",
                code="algorithm_not_allowed",
            )
        return Heading(members, media_type(kind), key.verifier(algorithm))


def verify_jws(token: str, *, keys: Keys, algorithms: Collection[str]) -> Jws:
    """Return what one of the keys signed: the signature alone, no claim is looked at.

    A refused token may differ from an honest one in its text alone, and ECDSA has two signatures
    for one content: a token's text, or its digest, is no key for "seen before". Use `jti`.

    Args:
        token: A JWS in compact serialization, at most 16384 bytes.
        keys: JWK dict, JWKS dict, PEM, the bytes of an HMAC secret, a `KeySet` or a `KeySource`.
        algorithms: Those that may be used. Empty allows none.

    Raises:
        Refused: AUTHENTIC; nothing else, also where *keys* or *algorithms* are unusable.

    Source: RFC 7515 §5.2; RFC 8725 §2, §3.
    """
    try:
        source = key_source(keys)
    except BoundaryError as error:
        raise TokenRefused(str(error), code="unusable_keys") from None
    # A lone text is a collection of letters, and none of these is an algorithm.
    heading, payload = Opener(source, frozenset(algorithms) & ALGORITHMS).open(token)
    return Jws(frozen(heading.members), payload)


def named_key(token: str) -> str | None:
    """Return the `kid` that a token asks for; None where it names none. It proves nothing.

    For whoever refreshes a remote key source after a refusal with the code "unknown_key".

    Raises:
        Refused: AUTHENTIC, it isn't a token.
    """
    signed, _ = split_token(token)
    name = header_of(signed.partition(b".")[0]).get("kid")
    return name if isinstance(name, str) else None


def media_type(text: str) -> str:
    """Return a `typ` as it compares: RFC 7515 §4.1.9, RFC 2045 §5.1 (without case)."""
    return text.lower().removeprefix(_PREFIX) if text.isascii() else text


def duplicate_member(where: str) -> TokenRefused:
    """Return the refusal of an object that has two members of one name."""
    return TokenRefused(
        f"an object in the {where} has two members of one name", code="duplicate_member"
    )


def header_of(head: bytes) -> dict[str, Any]:
    """Return the members of a header, from its segment.

    Raises:
        Refused: AUTHENTIC, code "malformed_token", "duplicate_member".
    """
    try:
        return object_of(base64url.decode(head))
    except DuplicateMemberError:
        raise duplicate_member("header") from None
    except ValueError:
        raise _malformed("the header is no JSON object in base64url") from None


def _malformed(why: str) -> TokenRefused:
    return TokenRefused(why, code="malformed_token")


def claims_of(payload: bytes) -> dict[str, Any]:
    """Return the members of a claims set, from the payload that was verified.

    Raises:
        Refused: AUTHENTIC, code "malformed_token", "duplicate_member".
    """
    try:
        return object_of(payload)
    except DuplicateMemberError:
        raise duplicate_member("claims set") from None
    except ValueError:
        raise TokenRefused(
            "the claims set is no JSON object in UTF-8", code="malformed_token"
        ) from None


def require_size(token: str) -> None:
    """Refuse a token of more than 16384 characters.

    Raises:
        Refused: AUTHENTIC, code "token_too_large".
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRefused(
            f"the token has {len(token)} characters, at most {MAX_TOKEN_BYTES} are allowed",
            code="token_too_large",
        )


def split_token(token: object) -> tuple[bytes, bytes]:
    """Return what is signed and the signature. A dot more is no base64url, so it ends there.

    Raises:
        Refused: AUTHENTIC, code "malformed_token", "token_too_large".
    """
    if not isinstance(token, str):
        raise _malformed("the token is no text")
    require_size(token)
    try:
        text = token.encode("ascii")
    except UnicodeEncodeError:
        raise _malformed("the token isn't ASCII") from None
    signed, _, signature = text.rpartition(b".")
    if signed.count(b".") != 1:
        raise _malformed("the token hasn't exactly three segments")
    return signed, signature
