"""Identity-aware proxies in front of us: the signed field in which each says who came."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from pratique.core.boundary import Proof
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.proofs.authentic.presented import issued, presented
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
        cache: Assertions that were verified a moment ago; `revoked` is asked each time.
    """

    challenge: ClassVar[str] = "Signature"

    def __init__(
        self,
        field: str,
        policy: TokenPolicy,
        *,
        revoked: Revoked = None,
        cache: TokenCache | None = None,
    ) -> None:
        self.field, self.policy, self.cache = field, policy, cache
        self._taken_back = TakenBack.of(revoked)

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of an assertion that the proxy signed for us, and that is in force.

        Raises:
            Refused: AUTHENTIC, code "no_token"; what `verify_token` refuses; FRESH, code "revoked",
                "not_revocable".
        """
        claim = crossing.claim
        token = claim.fields.one(self.field)
        if not token:
            raise TokenRefused(
                f"no field {self.field} came",
                code="no_token",
                hint="the request came past the proxy: close that way",
            )
        claims = yield from presented(token, self.policy, claim, cache=self.cache)
        crossing.discharge(AUTHENTIC)
        yield from self._taken_back.require(claims, session, issued=lambda: issued(claims))
        crossing.discharge(FRESH)
        return claims.subject

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
    team: str, *, audience: str, fetch: Getter, revoked: Revoked = None
) -> ProxyAssertion:
    """Return who came through Cloudflare Access.

    A service token of theirs has an empty `sub`, and is refused as "bad_claim".

    Args:
        team: "acme" of acme.cloudflareaccess.com.
        audience: The application's AUD tag, 64 hexadecimal digits.
        fetch: Its policy names that host.
        revoked: See `BearerToken`. An assertion has no `jti`: `stores.revocations(…)` goes by the
            subject, `by=[stores.By.SUBJECT]`, and the issuer is https://TEAM.cloudflareaccess.com.

    Raises:
        BoundaryError: one of them isn't of that form.
    """
    if _LABEL.fullmatch(team) is None:
        raise BoundaryError(
            "cloudflare_access(team) is the one label before .cloudflareaccess.com."
        )
    if _TAG.fullmatch(audience) is None:
        raise BoundaryError("cloudflare_access(audience=) is an AUD tag: 64 hexadecimal digits.")
    return _assertion(_CLOUDFLARE, audience, fetch, revoked, team=team)


def google_iap(
    audience: str, *, fetch: Getter, revoked: Callable[..., Any] | None = None
) -> ProxyAssertion:
    """Return who came through Google's Identity-Aware Proxy.

    Args:
        audience: "/projects/NUMBER/global/backendServices/ID", or "/projects/NUMBER/apps/ID".
        fetch: Its policy names www.gstatic.com.
        revoked: (jwt_claims[, session]) -> whether its subject was taken back; see
            `require_callable`.

    Raises:
        BoundaryError: the audience isn't of that form, or `revoked` is no callable.
    """
    if _BACKEND.fullmatch(audience) is None:
        raise BoundaryError(
            "google_iap(audience) is the backend's: /projects/NUMBER/global/backendServices/ID."
        )
    return _assertion(_GOOGLE, audience, fetch, require_callable("google_iap", revoked))


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


def _assertion(
    proxy: _Proxy, audience: str, fetch: Getter, revoked: Revoked, **names: str
) -> ProxyAssertion:
    policy = TokenPolicy(
        issuer=proxy.issuer.format(**names),
        audience=audience,
        algorithms=(proxy.algorithm,),
        type="JWT",
        keys=Jwks(proxy.keys.format(**names), fetch=fetch),
    )
    return ProxyAssertion(proxy.field, policy, revoked=revoked)
