"""Who calls, in a test: an issuer with a key of its own, and a session in a cookie."""

import json
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what is off imports little: the plugin is loaded in every run
    from pratique.client import Client
    from pratique.core.proofs.authentic.jwt import TokenPolicy


class TokenIssuer:
    """Issues tokens that a policy of its own believes.

    Args:
        name: Its `iss`.
        audience: The `aud` of its tokens.
        type: Their `typ`.
        algorithm: "EdDSA" or "ES256".
    """

    def __init__(
        self,
        name: str = "https://issuer.test",
        *,
        audience: str = "https://api.test",
        type: str = "at+jwt",
        algorithm: str = "EdDSA",
    ) -> None:
        from pratique.service.signing_key import SigningKey

        self.name, self.audience, self.type = name, audience, type
        self._key = SigningKey.new("test-1", algorithm=algorithm)

    def jwks(self) -> dict[str, Any]:
        """Return its public key as a JWK set."""
        from pratique.service.signing_key import public_set

        return public_set([self._key])

    def policy(self) -> "TokenPolicy":
        """Return what a token of it must be: `BearerToken(issuer.policy())`."""
        from pratique.core.proofs.authentic.jwt import TokenPolicy

        return TokenPolicy(
            issuer=self.name,
            audience=self.audience,
            algorithms=(self._key.algorithm,),
            type=self.type,
            keys=self.jwks(),
        )

    def token(
        self,
        subject: str,
        *,
        at: datetime | None = None,
        lifetime: timedelta = timedelta(minutes=5),
        **claims: Any,
    ) -> str:
        """Return a token, honest unless told otherwise.

        Args:
            subject: Its `sub`.
            at: When it is issued, UTC; now by default. With a `FrozenClock`: `at=clock()`.
            lifetime: From *at* to `exp`; below zero for one that is over.
            claims: More, or others; None leaves one out.
        """
        from pratique.core.proofs.authentic.base64url import encode

        now = int((at or datetime.now(UTC)).timestamp())
        said = {
            "iss": self.name,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
            "jti": token_urlsafe(16),
            **claims,
        }
        kept = {name: value for name, value in said.items() if value is not None}
        head = {"alg": self._key.algorithm, "typ": self.type, "kid": self._key.name}
        content = ".".join(encode(json.dumps(part).encode()) for part in (head, kept))
        return f"{content}.{encode(self._key.sign(content.encode('ascii')))}"

    def bearer(
        self,
        subject: str,
        *,
        at: datetime | None = None,
        lifetime: timedelta = timedelta(minutes=5),
        **claims: Any,
    ) -> dict[str, str]:
        """Return the field with such a token: `client.get(URL, headers=issuer.bearer("ann"))`."""
        token = self.token(subject, at=at, lifetime=lifetime, **claims)
        return {"Authorization": f"Bearer {token}"}


def session_cookie(boundary: "Client", token: str) -> dict[str, str]:
    """Return the fields of a browser that has a session, on a page of the first declared origin.

    Args:
        boundary: Whose clients are known by `SessionCookie`.
        token: Of the session, at least 22 characters; `load` is handed its SHA-256.

    Raises:
        TypeError: the boundary knows its clients by something else.
    """
    from pratique.client import SessionCookie

    identity = boundary.identity
    if not isinstance(identity, SessionCookie):
        raise TypeError(f'Boundary "{boundary.name}" knows its clients by no session cookie.')
    return {"Cookie": f"{identity.name}={token}", "Origin": min(identity.origins)}
