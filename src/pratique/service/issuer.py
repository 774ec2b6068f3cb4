"""A small minter of transaction tokens, so that nobody needs new infrastructure to begin."""

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.core.proofs.authentic.base64url import encode
from pratique.core.proofs.authentic.jwt import JwtClaims
from pratique.core.refusal import BoundaryError

from .context import MAX_AGE, TYPE, Context
from .signing_key import SigningKey, public_set

LIFETIME: Final = timedelta(seconds=60)
_SEED_BYTES: Final = 32


class Issuer:
    """Mints tokens for one issuer with one key, and hands out the public one.

    Args:
        name: Its `iss`.
        trust_domain: The `aud` of its tokens.
        key: Its private key: `SigningKey.read("2026-11.pem")`. Its own; no other minter has it.
        seed: Instead of `key`: 32 bytes, from a secret store, which are an Ed25519 key.
        key_name: Of a seed: `kid`. Another one for the next key, so that both verify while it is
            rolled.
        lifetime: Of a token, at most 5 minutes.

    Raises:
        BoundaryError: neither a key nor a seed, or both; a seed of another length, a lifetime of
            zero or over 5 minutes, no name.
    """

    def __init__(
        self,
        name: str,
        *,
        trust_domain: str,
        key: SigningKey | None = None,
        seed: bytes | None = None,
        key_name: str = "",
        lifetime: timedelta = LIFETIME,
    ) -> None:
        self._key = _of_seed(seed, key_name) if key is None else key
        if key is not None and (seed is not None or key_name):
            raise BoundaryError("Issuer(key=…) has its name: seed= and key_name= go without it.")
        if not (name and trust_domain):
            raise BoundaryError("Issuer(name, trust_domain=…): none of them is empty.")
        if not timedelta(0) < lifetime <= MAX_AGE:
            raise BoundaryError("Issuer(lifetime=…) is above zero and at most 5 minutes.")
        self.name, self.trust_domain, self.key_name = name, trust_domain, self._key.name
        self._lifetime = lifetime

    def mint(
        self,
        subject: str,
        *,
        scope: Collection[str],
        caller: str,
        at: datetime,
        about: Mapping[str, str] | None = None,
    ) -> str:
        """Return a token for one call.

        Args:
            subject: The user, proven by whoever mints.
            scope: The actions.
            caller: Who will call with it: `req_wl`.
            at: Now, UTC.
            about: `tctx`: {"object": "10"}, as the path of the call has it.

        Raises:
            BoundaryError: no subject, caller or action, an action that isn't one word, or what is
                no text where one is owed.
        """
        return self._signed(
            {"sub": subject, "txn": token_urlsafe(16)}, scope, caller, at, about, self._lifetime
        )

    def narrow(
        self,
        parent: Context,
        *,
        scope: Collection[str],
        caller: str,
        at: datetime,
        about: Mapping[str, str] | None = None,
    ) -> str:
        """Return a token for the next call of a transaction: never for more than its parent.

        Args:
            parent: Proven here, for the call that causes the next one.
            scope: Actions of the parent's.
            caller: Who will call: ourselves.
            at: Now, UTC.
            about: What the parent says, and more.

        Raises:
            BoundaryError: an action that the parent lacks, another object, the parent is over or of
                another trust domain, or its `tctx` isn't an object of texts.
        """
        claims = parent.jwt_claims
        if self.trust_domain not in claims.audience:
            raise BoundaryError("narrow(…): the parent is of another trust domain.")
        more = sorted(set(scope) - claims.scope)
        if more:
            raise BoundaryError(f"narrow(scope=…): the parent has no {', '.join(more)}.")
        known = _context_of(claims)
        for name, value in (about or {}).items():
            if known.setdefault(name, value) != value:
                raise BoundaryError(f"narrow(about=…): the parent is about another {name}.")
        left = claims.expires_at - at
        if left <= timedelta(0):
            raise BoundaryError("narrow(…): the parent is over.")
        said = {"sub": parent.subject, "txn": parent.transaction}
        return self._signed(said, scope, caller, at, known, min(left, self._lifetime))

    def jwks(self) -> dict[str, Any]:
        """Return its public key as a JWK set, for the services that verify."""
        return public_set([self._key])

    def _signed(
        self,
        said: Mapping[str, str],
        scope: Collection[str],
        caller: str,
        at: datetime,
        about: Mapping[str, str] | None,
        lifetime: timedelta,
    ) -> str:
        texts: list[object] = [caller, *said.values()]
        if isinstance(scope, str) or not scope or not all(isinstance(o, str) and o for o in texts):
            raise BoundaryError(
                "a token names its user and who calls with it, each a text that isn't empty, and "
                'for which actions: mint("customer:1", scope=["order.read"], caller="spiffe://…").'
            )
        given: list[object] = [*(about or {}).values()]
        if not all(isinstance(one, str) for one in given):
            # A service compares it with the text of the path: 10 would be another object than "10".
            raise BoundaryError(
                'about=…: what a call is about is a text: {"object": str(order.id)}.'
            )
        if not all(one.isprintable() and one.split() == [one] for one in scope):
            # RFC 6749 §3.3: words with a space between them; one that holds a space is two.
            raise BoundaryError("an action is one word without a space.")
        now = int(at.timestamp())
        claims: dict[str, Any] = {
            **said,
            "iss": self.name,
            "aud": self.trust_domain,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": token_urlsafe(16),
            "scope": " ".join(sorted(scope)),
            "req_wl": caller,
            "tctx": dict(about or {}),
        }
        head = {"alg": self._key.algorithm, "typ": TYPE, "kid": self.key_name}
        content = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        return f"{content}.{encode(self._key.sign(content.encode('ascii')))}"


def _of_seed(seed: bytes | None, name: str) -> SigningKey:
    if seed is None:
        raise BoundaryError('Issuer(key=…) is owed: SigningKey.read("2026-11.pem").')
    if len(seed) != _SEED_BYTES or len(set(seed)) < _SEED_BYTES // 4:
        raise BoundaryError("Issuer(seed=…) is 32 random bytes: secrets.token_bytes(32).")
    if not name:
        raise BoundaryError("Issuer(seed=…, key_name=…): the key has a name.")
    return SigningKey(Ed25519PrivateKey.from_private_bytes(seed), name=name)


def _context_of(claims: JwtClaims) -> dict[str, str]:
    """Return the parent's `tctx`, which another issuer may have written."""
    told: Any = claims.get("tctx", {})
    if not isinstance(told, Mapping):
        raise BoundaryError("narrow(…): the parent's tctx isn't an object.")
    known = dict(cast("Mapping[str, Any]", told))
    if not all(isinstance(value, str) for value in known.values()):
        raise BoundaryError("narrow(…): the parent's tctx holds more than texts.")
    return known
