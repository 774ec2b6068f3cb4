"""Identity-aware proxies in front of us: the signed field in which each says who came."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.proofs.authentic.presented import issued, presented
from pratique.core.proofs.authentic.same_site import (
    SAFE,
    require_no_other_site,
    require_origins,
)
from pratique.core.proofs.revocation import Revocations, Revoked, TakenBack
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError
from pratique.core.roots import CLOCK, Root, RootKind, ways
from pratique.core.store import Store

from .answered import Getter
from .jwks import Jwks


@dataclass(frozen=True, slots=True)
class _Proxy:
    """What one proxy's documentation says of its field."""

    field: str
    issuer: str
    keys: str
    algorithm: str


_CLOUDFLARE: Final = _Proxy(
    "Cf-Access-Jwt-Assertion",
    "https://{team}.cloudflareaccess.com",
    "https://{team}.cloudflareaccess.com/cdn-cgi/access/certs",
    "RS256",
)
"""Source: Cloudflare One, "Validate JWTs"."""
_GOOGLE: Final = _Proxy(
    "X-Goog-IAP-JWT-Assertion",
    "https://cloud.google.com/iap",
    "https://www.gstatic.com/iap/verify/public_key-jwk",
    "ES256",
)
"""Source: Google Cloud, "Getting the user's identity", "Verifying the JWT payload"."""

_LABEL: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_TAG: Final = re.compile(r"[0-9a-f]{64}")
_BACKEND: Final = re.compile(r"/projects/\d+/(?:apps/[\w:.-]+|\w[\w/-]*/[\w-]+)")


class ProxyAssertion:
    """Who came, as a proxy in front of us signed it; its unsigned fields are never read.

    Args:
        field: Where it stands; a second line of that name is refused.
        policy: What it must be.
        revoked: See `BearerToken`.
        origins: Other origins than our own whose pages may change state: a browser has the proxy's
            cookie, whichever page it shows (CWE-352). See `require_no_other_site`.
        cache: Assertions that were verified a moment ago; `revoked` is asked each time.

    Raises:
        BoundaryError: an origin that is none.
    """

    challenge: ClassVar[str] = "Signature"

    def __init__(
        self,
        field: str,
        policy: TokenPolicy,
        *,
        revoked: Revoked = None,
        origins: Sequence[str] = (),
        cache: TokenCache | None = None,
    ) -> None:
        self.field, self.policy, self.cache = field, policy, cache
        self.origins = further_origins("ProxyAssertion", origins)
        self._taken_back = TakenBack.of(revoked)

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of an assertion that the proxy signed for us, and that is in force.

        Raises:
            Refused: AUTHENTIC, code "no_token", "cross_site"; what `verify_token` refuses; FRESH,
                code "revoked", "not_revocable".
        """
        claim = crossing.claim
        if claim.via.method not in SAFE:
            self.require_origin(claim)
        token = claim.fields.one(self.field)
        if not token:
            raise TokenRefused(
                f"no field {self.field} came",
                code="no_token",
                hint="the request came past the proxy: close that way",
            )
        claims = yield from presented(token, self.policy, claim, cache=self.cache)
        crossing.principal = claims.subject
        crossing.discharge(AUTHENTIC)
        yield from self._taken_back.require(claims, session, issued=lambda: issued(claims))
        crossing.discharge(FRESH)
        return claims.subject

    def require_origin(self, claim: Claim) -> None:
        """Refuse a change of state that another's page asks for. See `require_no_other_site`."""
        require_no_other_site("ProxyAssertion", claim, self.origins)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the proxy, and its keys."""
        issuer = Root(RootKind.PARTY, self.policy.issuer, controller=self.policy.issuer)
        words, asked = f"{self.field}, signed by {self.policy.issuer}", self._taken_back
        until = f"exp, iat, and {asked.words}" if asked.words else "exp, iat"
        return (
            Proof(AUTHENTIC, words, ways(issuer)),
            Proof(FRESH, until, ways(issuer, CLOCK), asked.where),
        )

    def read(self) -> list[str]:
        """Need nothing at the start."""
        return []

    def store_debts(self, store: Store | None) -> list[str]:
        """See `AsksStore`."""
        return self._taken_back.debts(store)


def cloudflare_access(
    team: str,
    *,
    audience: str,
    fetch: Getter,
    revoked: Revoked = None,
    origins: Sequence[str] = (),
) -> ProxyAssertion:
    """Return who came through Cloudflare Access.

    A service token of theirs has an empty `sub`, and is refused as "bad_claim".

    Args:
        team: "acme" of acme.cloudflareaccess.com.
        audience: The application's AUD tag, 64 hexadecimal digits.
        fetch: Its policy names that host.
        revoked: See `BearerToken`. An assertion has no `jti`: `stores.revocations(…)` goes by the
            subject, `by=[stores.By.SUBJECT]`, and the issuer is https://TEAM.cloudflareaccess.com.
        origins: See `ProxyAssertion`.

    Raises:
        BoundaryError: one of them isn't of that form.
    """
    if _LABEL.fullmatch(team) is None:
        raise BoundaryError(
            "cloudflare_access(team) is the one label before .cloudflareaccess.com."
        )
    if _TAG.fullmatch(audience) is None:
        raise BoundaryError("cloudflare_access(audience=) is an AUD tag: 64 hexadecimal digits.")
    policy = _policy(_CLOUDFLARE, audience, fetch, team=team)
    return ProxyAssertion(_CLOUDFLARE.field, policy, revoked=revoked, origins=origins)


def google_iap(
    audience: str,
    *,
    fetch: Getter,
    revoked: Callable[..., Any] | None = None,
    origins: Sequence[str] = (),
) -> ProxyAssertion:
    """Return who came through Google's Identity-Aware Proxy.

    Args:
        audience: "/projects/NUMBER/global/backendServices/ID", or "/projects/NUMBER/apps/ID".
        fetch: Its policy names www.gstatic.com.
        revoked: (jwt_claims[, session]) -> whether its subject was taken back; see
            `require_callable`.
        origins: See `ProxyAssertion`.

    Raises:
        BoundaryError: the audience isn't of that form, or `revoked` is no callable.
    """
    if _BACKEND.fullmatch(audience) is None:
        raise BoundaryError(
            "google_iap(audience) is the backend's: /projects/NUMBER/global/backendServices/ID."
        )
    asked = require_callable("google_iap", revoked)
    policy = _policy(_GOOGLE, audience, fetch)
    return ProxyAssertion(_GOOGLE.field, policy, revoked=asked, origins=origins)


def require_callable(preset: str, revoked: Revoked) -> Callable[..., Any] | None:
    """Return what a proxy that signs anew all the time can be asked of: our user's own callable.

    A moment that is kept takes back what was issued before it. This proxy signs a new assertion,
    with a new time, for as long as its own session lasts: the moment would hold for minutes.

    Args:
        preset: Whose argument it is, for the message.
        revoked: What was handed in.

    Raises:
        BoundaryError: it is `stores.revocations(…)`.

    Source: Google Cloud, "Verifying the JWT payload": an assertion lives 10 minutes; AWS, "User
    claims encoding and signature verification": it has an `exp`, and no `iat`.
    """
    if isinstance(revoked, Revocations):
        raise BoundaryError(
            f"{preset}(revoked=) is a callable: (claims) -> bool. The proxy signs a new assertion "
            "for as long as its own session lasts, which a moment in stores.revocations(…) doesn't "
            "take back."
        )
    return revoked


def further_origins(identity: str, origins: Sequence[str]) -> frozenset[str]:
    """Return the origins beside our own from which state may be changed; none is fine.

    Raises:
        BoundaryError: see `require_origins`.
    """
    return require_origins(identity, origins) if origins else frozenset()


def _policy(proxy: _Proxy, audience: str, fetch: Getter, **names: str) -> TokenPolicy:
    return TokenPolicy(
        issuer=proxy.issuer.format(**names),
        audience=audience,
        algorithms=(proxy.algorithm,),
        type="JWT",
        keys=Jwks(proxy.keys.format(**names), fetch=fetch),
    )
