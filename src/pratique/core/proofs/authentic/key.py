"""Keys that verify tokens: one algorithm family each, in a snapshot that has a version."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, Self, TypeAlias, cast, runtime_checkable

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique.core.refusal import BoundaryError
from pratique.core.secret import weakness

from .algorithm import Material, Verify, served_by, verifier
from .hmac import HmacKey
from .jwk import Jwk, checked_public, is_pem, material_of_jwk, material_of_pem, secret_of

_SHOWN: Final = 64
_VERSION_LABEL: Final = b"pratique: version of a key set"


class Key:
    """One key that verifies, and the algorithms that it may be used with.

    Args:
        material: The key itself; a secret's bytes, or a public key of `cryptography`.
        name: Its `kid`; None where it has none.
        algorithm: The one that it is pinned to; else all that its kind, curve and length can serve.

    Raises:
        BoundaryError: the key is weak, or can't serve that algorithm.
    """

    __slots__ = ("_material", "_verifiers", "algorithms", "fingerprint", "name", "weakness")

    def __init__(
        self, material: Material, *, name: str | None = None, algorithm: str | None = None
    ) -> None:
        try:
            self._material = (
                secret_of(material) if isinstance(material, bytes) else checked_public(material)
            )
        except ValueError as error:
            raise BoundaryError(f"A token key isn't usable: {error}.") from None
        self.name = name
        self.algorithms = served_by(self._material)
        if algorithm is not None:
            self.algorithms &= {algorithm}
        if not self.algorithms:
            raise BoundaryError(
                "A token key isn't usable: its kind, curve or length can't serve its algorithm."
            )
        self._verifiers: dict[str, Verify] = {}
        self.weakness = _weakness(self._material)
        self.fingerprint: bytes = _fingerprint(self._material)

    @classmethod
    def of_jwk(cls, jwk: Jwk) -> Self:
        """Take a JWK that is for verifying.

        Raises:
            BoundaryError: it is for something else (`use`, `key_ops`, `alg`), private, or weak.

        Source: RFC 7517 §4.
        """
        name, algorithm = jwk.get("kid"), jwk.get("alg")
        shown = f"The JWK {name[:_SHOWN]!r}" if isinstance(name, str) else "The JWK"
        if "kid" in jwk and (not isinstance(name, str) or not name):
            raise BoundaryError(f"{shown} isn't usable: its kid is no text.")
        if "alg" in jwk and not isinstance(algorithm, str):
            raise BoundaryError(f"{shown} isn't usable: its alg is no text.")
        if "use" in jwk and jwk["use"] != "sig":
            raise BoundaryError(f"{shown} isn't usable: its use isn't sig.")
        if "key_ops" in jwk:
            uses = jwk["key_ops"]
            if not isinstance(uses, list | tuple) or "verify" not in uses:
                raise BoundaryError(f"{shown} isn't usable: its key_ops have no verify.")
        try:
            material = material_of_jwk(jwk)
        except ValueError as error:
            raise BoundaryError(f"{shown} isn't usable: {error}.") from None
        return cls(material, name=name, algorithm=algorithm)

    @classmethod
    def of_pem(cls, text: str | bytes, *, name: str | None = None) -> Self:
        """Take the one public key of a PEM.

        Raises:
            BoundaryError: it holds anything else, or a weak key.
        """
        try:
            material = material_of_pem(text.encode() if isinstance(text, str) else text)
        except ValueError as error:
            raise BoundaryError(f"The PEM isn't usable: {error}.") from None
        return cls(material, name=name)

    def verifier(self, algorithm: str) -> Verify:
        """Return the check of one of its `algorithms`: (signature, content) -> bool."""
        found = self._verifiers.get(algorithm)
        if found is None:
            found = self._verifiers[algorithm] = verifier(algorithm, self._material)
        return found

    @property
    def is_secret(self) -> bool:
        """Say whether it is an HMAC secret: whoever can verify with it can sign."""
        return isinstance(self._material, bytes)

    def __repr__(self) -> str:
        """Return its name and algorithms alone."""
        return f"Key({self.name!r}, {', '.join(sorted(self.algorithms))})"

    def __reduce__(self) -> str:
        message = "a Key is not picklable"
        raise TypeError(message)


class KeySet:
    """The keys of one moment. It never changes: a new moment is a new set.

    Args:
        keys: The usable ones.
        unusable: Why the others aren't, one sentence each, for the operator. They still count: a
            token without `kid` is only verified by the key of a set of one.

    Attributes:
        version: The same for the same keys, and for no others. It is no secret and says nothing.

    Raises:
        BoundaryError: it mixes secrets and public keys.
    """

    __slots__ = ("_by_name", "_only", "keys", "unusable", "version")

    def __init__(self, keys: Iterable[Key], *, unusable: Iterable[str] = ()) -> None:
        self.keys = tuple(keys)
        self.unusable: tuple[str, ...] = tuple(unusable)
        if len({key.is_secret for key in self.keys}) > 1:
            # Whoever verifies with one of the secrets could sign for the owner of the others.
            raise BoundaryError(
                "A key set holds HMAC secrets and public keys. Give each its own TokenPolicy."
            )
        self._only = self.keys[0] if len(self.keys) == 1 and not self.unusable else None
        named: dict[str, Key | None] = {}
        for key in self.keys:
            if key.name is not None:
                # Two keys of one name: nobody can say which was meant, so neither is.
                named[key.name] = None if key.name in named else key
        self._by_name = named
        self.version = self._digest()

    @classmethod
    def of(cls, keys: object) -> Self:
        """Read a JWK dict, a JWKS dict, a PEM (text or bytes), or the bytes of an HMAC secret.

        A member of a JWKS that isn't usable is passed over: an issuer publishes keys for other
        purposes too.

        Raises:
            BoundaryError: it is none of these, or not one usable key is in it.
        """
        if isinstance(keys, Mapping):
            return cls._of_mapping(cast("Jwk", keys))
        if isinstance(keys, str):
            return cls([Key.of_pem(keys)])
        if isinstance(keys, bytes):
            return cls([Key.of_pem(keys) if is_pem(keys) else Key(keys)])
        raise BoundaryError(
            f"keys= is a {type(keys).__name__}. "
            "Give a JWK dict, a JWKS dict, a PEM, the bytes of an HMAC secret, or a key source."
        )

    @classmethod
    def _of_mapping(cls, keys: Jwk) -> Self:
        if "keys" not in keys:
            return cls([Key.of_jwk(keys)])
        listed = keys["keys"]
        if "kty" in keys or not isinstance(listed, list | tuple) or not listed:
            raise BoundaryError("A JWKS has its keys in one list, and at least one of them.")
        members = cast("list[Any]", listed)
        jwks = [_members_of(jwk) for jwk in members]
        if len({jwk.get("kty") == "oct" for jwk in jwks}) > 1:
            raise BoundaryError(
                "A JWKS holds HMAC secrets and other keys. Give each its own TokenPolicy."
            )
        usable: list[Key] = []
        unusable: list[str] = []
        names = [jwk.get("kid") for jwk in jwks if jwk.get("use", "sig") == "sig"]
        for jwk in jwks:
            try:
                key = Key.of_jwk(jwk)
            except BoundaryError as error:
                unusable.extend(error.debts)
                continue
            if key.name is not None and names.count(key.name) > 1:
                unusable.append(f"The JWK {key.name[:_SHOWN]!r} isn't usable: two have its kid.")
            else:
                usable.append(key)
        if not usable:
            raise BoundaryError(*unusable)
        return cls(usable, unusable=unusable)

    @property
    def current(self) -> Self:
        """Return itself: a set at hand is a `KeySource` that never changes."""
        return self

    def find(self, name: str | None) -> Key | None:
        """Return the key that a token's `kid` names; None where there is none, or several.

        A token without `kid` is for the key of a set of one alone, and a key without name in a set
        of one is for every token: nothing is guessed.

        Source: RFC 7517 §4.5; OpenID Connect Core §10.1: of several keys, `kid` MUST name one.
        """
        only = self._only
        if name is None:
            return only
        return only if only is not None and only.name is None else self._by_name.get(name)

    def __repr__(self) -> str:
        """Return the names alone."""
        return f"KeySet({', '.join(map(repr, self.keys))})"

    def __reduce__(self) -> str:
        message = "a KeySet is not picklable"
        raise TypeError(message)

    def _digest(self) -> str:
        told = hashlib.sha256(f"{self._only is not None}".encode())
        lines = sorted(
            repr((key.name, sorted(key.algorithms), key.fingerprint.hex())) for key in self.keys
        )
        told.update("\n".join(lines).encode())
        return told.hexdigest()[:32]


@runtime_checkable
class KeySource(Protocol):
    """Where a policy's keys come from; a remote one is refreshed by whoever drives it."""

    @property
    def current(self) -> KeySet:
        """Return the snapshot in force. It never blocks."""
        ...


Keys: TypeAlias = Mapping[str, Any] | str | bytes | KeySet | KeySource


def key_source(keys: Keys) -> KeySource:
    """Return the source of what was declared.

    Raises:
        BoundaryError: there is no usable key in it.
    """
    return keys if isinstance(keys, KeySource) else KeySet.of(keys)


def _members_of(jwk: Any) -> Jwk:
    return cast("Jwk", jwk) if isinstance(jwk, Mapping) else {}


def _weakness(material: Material) -> str | None:
    if not isinstance(material, bytes):
        return None
    try:
        return weakness(material.decode())
    except UnicodeDecodeError:
        return None


def _fingerprint(material: Material) -> bytes:
    if isinstance(material, bytes):
        # Keyed with the secret: it tells one secret from another, and isn't its hash.
        return HmacKey(material).digest(_VERSION_LABEL)
    encoded = material.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(encoded).digest()
