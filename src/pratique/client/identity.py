"""Who a client is: proven by a session of ours. What it says of itself is never asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from pratique.core.access import Asker
from pratique.core.boundary import Proof
from pratique.core.claim import Claim, Fields
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, BIT, FRESH
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy
from pratique.core.proofs.authentic.presented import bearer_token, issued, presented
from pratique.core.proofs.authentic.same_site import SAFE, require_origins, require_same_site
from pratique.core.proofs.fresh import require_fresh
from pratique.core.proofs.revocation import Issued, Revoked, TakenBack
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import CLOCK, OWN_CODE, Root, RootKind, ways
from pratique.core.store import Store

MAX_COOKIE: Final = 4096
"""Bytes of one cookie, RFC 6265 §6.1."""
MIN_TOKEN: Final = 22
"""Characters of a session's token: 128 bits in base64url. Source: OWASP ASVS 5.0 §7.2.3."""
_NEVER_AHEAD: Final = timedelta(seconds=60)
_UNAUTHENTICATED: Final = 401
_AUTHENTIC: Final = BIT[AUTHENTIC]
_FRESH: Final = BIT[FRESH]


class Identity(Protocol):
    """How a client boundary learns who calls."""

    challenge: ClassVar[str]
    """The authentication scheme that a 401 names."""

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Discharge `authentic` and `fresh`, and return the subject; Refused where it can't."""
        ...

    def proofs(self) -> Sequence[Proof]:
        """Return what `authentic` and `fresh` rest on."""
        ...

    def read(self) -> list[str]:
        """Read what it needs; return what is wrong with it, one sentence each."""
        ...


@runtime_checkable
class AsksStore(Protocol):
    """An identity that asks the perimeter's store."""

    def store_debts(self, store: Store | None) -> list[str]:
        """Return what is wrong with the store for it, one sentence each."""
        ...


@runtime_checkable
class AsksOrigin(Protocol):
    """An identity that a browser adds by itself, to whichever page's requests."""

    def require_origin(self, claim: Claim) -> None:
        """Refuse a change of state that another's page asks for. See `require_same_site`."""
        ...


@dataclass(frozen=True, slots=True)
class Session:
    """What we keep of a session, as it is now.

    Args:
        subject: Whose it is: our user's key.
        began_at: When it was opened (UTC).
        used_at: When it was last used (UTC).
    """

    subject: object
    began_at: datetime
    used_at: datetime


class SessionCookie:
    """A session of ours, in a cookie that holds nothing but a random token.

    Args:
        name: Of the cookie. "__Host-session" can be set by this host alone (RFC 6265bis §4.1.3).
        load: (SHA-256 of the token, hexadecimal[, session]) -> `Session`, or None where there is
            none or it was ended. It may be async. The token itself is never kept.
        idle: How long it may go unused.
        lifetime: How long it may last in all.
        revoked: `stores.revocations(…)`, told by `issuer` and the subject or the digest; or
            (`Session`[, session]) -> whether it was taken back. `load` says so too, by None.
        origins: Where state may be changed from, "https://shop.example": an unsafe method from
            anywhere else is a request that a browser was tricked into (CWE-352), and so is a GET
            for an action that declares an effect (`Action.changes`).

    Raises:
        BoundaryError: no name, a period of zero, an origin that is none, `load` takes other
            arguments.

    Source: OWASP ASVS 5.0 chapter 7; RFC 6265; Fetch Metadata (Sec-Fetch-Site).
    """

    challenge: ClassVar[str] = "Cookie"

    def __init__(
        self,
        name: str,
        load: Callable[..., Any],
        *,
        origins: Sequence[str],
        idle: timedelta = timedelta(hours=1),
        lifetime: timedelta = timedelta(hours=12),
        revoked: Revoked = None,
    ) -> None:
        if not name or not name.isascii() or any(c in name for c in " =;,"):
            raise BoundaryError(f"SessionCookie({name!r}) isn't the name of a cookie.")
        if not timedelta(0) < idle <= lifetime:
            raise BoundaryError("SessionCookie(idle=…) is above zero and at most lifetime=.")
        self.name, self.idle, self.lifetime = name, idle, lifetime
        self.origins = require_origins("SessionCookie", origins)
        self.issuer = f"cookie:{name}"
        self._load = Asker.of(load, arguments=1, role="load")
        self._taken_back = TakenBack.of(revoked)

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Find the session of the cookie, and refuse one that is too old.

        Raises:
            Refused: AUTHENTIC, code "no_session", "two_sessions", "cross_site"; FRESH, code
                "session_over", "revoked", "not_revocable"; VALID, code "duplicate_field".
        """
        claim = crossing.claim
        if claim.via.method not in SAFE:
            self.require_origin(claim)
        token = cookie(claim.fields, self.name)
        # RFC 6265 §4.1.1: cookie-octet is ASCII.
        if token is None or len(token) < MIN_TOKEN or not token.isascii():
            raise _no_session()
        digest = sha256(token.encode("ascii")).hexdigest()
        found: object = yield Lookup(*self._load.with_session((digest,), session))
        # A look-up by nothing finds whoever has nothing there: empty is no subject.
        if not isinstance(found, Session) or found.subject is None or found.subject == "":
            raise _no_session()
        crossing.principal = found.subject
        crossing.discharge(AUTHENTIC)
        self._require_young(found, claim)
        until = found.began_at + self.lifetime
        yield from self._taken_back.require(
            found,
            session,
            issued=lambda: Issued(self.issuer, found.subject, digest, found.began_at, until),
        )
        crossing.discharge(FRESH)
        return found.subject

    def require_origin(self, claim: Claim) -> None:
        """See `AsksOrigin`."""
        require_same_site("SessionCookie", claim, self.origins)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: our own table of sessions."""
        table = Root(RootKind.STORE, "sessions")
        words = f"a session of ours, by the token in the cookie {self.name}"
        until = f"unused for at most {self.idle}, at most {self.lifetime} in all"
        until = ", ".join(filter(None, (until, self._taken_back.words)))
        return (
            Proof(AUTHENTIC, words, ways(table, OWN_CODE), self._load.callback.where),
            Proof(FRESH, until, ways(table, CLOCK), self._taken_back.where),
        )

    def read(self) -> list[str]:
        """Need nothing at the start."""
        return []

    def store_debts(self, store: Store | None) -> list[str]:
        """See `AsksStore`."""
        return self._taken_back.debts(store)

    def _require_young(self, found: Session, claim: Claim) -> None:
        try:
            at = claim.received_at
            require_fresh(found.began_at, at=at, tolerance=self.lifetime, lead=_NEVER_AHEAD)
            require_fresh(found.used_at, at=at, tolerance=self.idle, lead=_NEVER_AHEAD)
        except Refused as refused:
            raise Refused(
                FRESH, refused.detail, code="session_over", status=_UNAUTHENTICATED
            ) from None


class BearerToken:
    """An access token of an issuer that is named, in the Authorization field.

    Args:
        policy: What a token must be.
        revoked: `stores.revocations(…)`, or (jwt_claims[, session]) -> whether it was taken back:
            by its `jti`, or because the subject signed out or changed its password since. It may be
            async. Left out, a token lives until its `exp`, and the report says so.
        cache: Tokens that were verified a moment ago; `revoked` is asked each time.

    Source: RFC 6750; RFC 9068; OWASP API2:2023.
    """

    challenge: ClassVar[str] = "Bearer"  # without error=: that would tell how far a token came
    needs_store: ClassVar[bool] = False
    reads_client_certificate: ClassVar[bool] = False
    challenge_parameters: str = ""
    binding: str = ""
    """What a token is bound to, in the words of the declaration."""

    def __init__(
        self,
        policy: TokenPolicy,
        *,
        revoked: Revoked = None,
        cache: TokenCache | None = None,
    ) -> None:
        self.policy, self.cache = policy, cache
        self._taken_back = TakenBack.of(revoked)
        # Else nobody is asked whether it is in force, and no generator is made to ask nobody.
        own = type(self).require_in_force is not BearerToken.require_in_force
        self._may_be_taken_back = own or revoked is not None

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of a token that is signed, ours, in force and not taken back.

        Raises:
            Refused: what `bearer_token`, `verify_token`, `require_holder` and `require_in_force`
                refuse.
        """
        claim, cache, claims = crossing.claim, self.cache, None
        said = claim.fields.one("authorization")
        if cache is not None and said is not None and said[:7] == "Bearer ":
            # Mostly this very text was verified a moment ago, and its form with it.
            claims = cache.find(said[7:], self.policy, at=claim.received_at)
        if claims is None:
            token = bearer_token(claim.fields)
            claims = yield from presented(token, self.policy, claim, cache=cache)
        self.require_holder(claims, claim)
        crossing.principal = subject = claims.subject
        crossing.done |= _AUTHENTIC
        if self._may_be_taken_back:
            yield from self.require_in_force(claims, session)
        crossing.done |= _FRESH
        return subject

    def require_holder(self, claims: JwtClaims, claim: Claim) -> None:
        """Refuse a token that is for somebody who shows more than the token.

        Raises:
            Refused: AUTHENTIC, code "bound_token".
        """
        _ = claim
        if "cnf" in claims:
            raise TokenRefused(
                "it is bound to a key of its client, and came as a plain bearer token",
                code="bound_token",
                hint="whoever stole it would be let in: the binding is checked nowhere here",
            )

    def require_in_force(self, claims: JwtClaims, session: object) -> Flow[None]:
        """Refuse a token that was taken back.

        Raises:
            Refused: FRESH, code "revoked", "not_revocable" (401).
        """
        return self._taken_back.require(claims, session, issued=lambda: issued(claims))

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the issuer, and its keys."""
        policy, issuer, asked = self.policy, self.issuer(), self._taken_back
        words = f"a {policy.type} of {policy.issuer}, {', '.join(policy.algorithms)}{self.binding}"
        until = f"exp, iat, and {asked.words}" if asked.words else "exp, iat"
        return (
            Proof(AUTHENTIC, words, ways(issuer)),
            Proof(FRESH, until, ways(issuer, CLOCK), asked.where),
        )

    def issuer(self) -> Root:
        """Return the root that the issuer is."""
        return Root(RootKind.PARTY, self.policy.issuer, controller=self.policy.issuer)

    def read(self) -> list[str]:
        """Need nothing at the start."""
        return []

    def store_debts(self, store: Store | None) -> list[str]:
        """See `AsksStore`."""
        return self._taken_back.debts(store)


def cookie(fields: Fields, name: str) -> str | None:
    """Return the value of a cookie; None where it is absent.

    Raises:
        Refused: AUTHENTIC, code "two_sessions": it comes twice, or beside a name that another
            reader trims to it, so that two programs could take each another one (CWE-436).

    Source: RFC 6265 §4.2, §5.4.
    """
    found: list[str] = []
    alike = 0
    for line in fields.all("Cookie"):
        for pair in line.split(";"):
            # Whole, and without a space of another kind: "\x85__Host-session" is a cookie that a
            # neighbouring host may set, and a reader that trims it takes it for ours.
            key, equals, value = pair.strip(" \t").partition("=")
            if equals and key == name:
                found.append(value.strip('"'))
            elif name in pair and _trimmed(pair) == name:
                alike += 1
    if found and len(found) + alike > 1:
        raise Refused(
            AUTHENTIC,
            f"the cookie of the session comes {len(found) + alike} times",
            code="two_sessions",
        )
    return found[0] if found and len(found[0]) <= MAX_COOKIE else None


def _trimmed(pair: str) -> str:
    """Return the name of a cookie as the most generous reader takes it."""
    return pair.strip().lstrip("=").partition("=")[0].strip()


def _no_session() -> Refused:
    return Refused(AUTHENTIC, "no session of ours belongs to the cookie", code="no_session")
