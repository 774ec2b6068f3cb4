"""Which service calls, by a JWT-SVID: where TLS ends before us, and no certificate comes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, cast

from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.jws import named_key
from pratique.core.proofs.authentic.jwt_svid import JwtSvidReader, svid_keys
from pratique.core.proofs.authentic.key import KeySet, KeySource
from pratique.core.proofs.authentic.presented import bearer_token
from pratique.core.question import Flow, Refresh, Renewable
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import CLOCK, Root, RootKind, ways

from .caller import Allow, Caller, ClientCertificate, mtls
from .claimed import refuse_claimed

LONGEST: Final = timedelta(hours=1)
"""SPIRE makes them for 5 minutes."""
_SEEN: Final = Root(RootKind.NETWORK, "who sees a JWT-SVID on its way")


@dataclass(frozen=True, slots=True)
class JwtSvid:
    """The caller sends a token that names it. Made by `jwt_svid`."""

    callers: ClientCertificate
    audience: str
    source: KeySource = field(repr=False)
    longest: timedelta
    reader: JwtSvidReader = field(repr=False)
    reads_client_certificate: bool = False

    def prove(self, claim: Claim) -> Caller:
        """Return who calls, by the keys at hand. See `jwt_svid`.

        Raises:
            Refused: AUTHENTIC, code "no_token", "claimed_certificate", "wrong_trust_domain";
                ALLOWED, code "unknown_caller"; what `JwtSvidReader.read` refuses.
        """
        refuse_claimed(claim.fields)
        token = bearer_token(claim.fields)
        return self.callers.caller(self.reader.read(token, at=claim.received_at))

    def proving(self, claim: Claim) -> Flow[Caller]:
        """Do the same; where its key isn't known, look once whether the keys were rolled."""
        try:
            return self.prove(claim)
        except Refused as refused:
            if refused.code != "unknown_key" or not hasattr(self.source, "refresh"):
                raise
        name = named_key(bearer_token(claim.fields))
        yield Refresh(cast("Renewable", self.source), name)
        return self.prove(claim)

    def declared(self) -> Proof:
        """Return it as the declaration and the report say it: a bearer token can be replayed."""
        method = (
            f"a JWT-SVID of {self.callers.trust_domain} for {self.audience}, "
            f"{len(self.callers.scopes)} callers by name; whoever sees one can replay it here "
            f"until it ends, at most {self.longest.total_seconds():.0f} s"
        )
        return Proof(AUTHENTIC, method, ways(*self.callers.roots(), _SEEN, CLOCK))


def jwt_svid(
    trust_domain: str,
    keys: Mapping[str, Any] | KeySource,
    audience: str,
    *,
    allow: Allow,
    longest: timedelta = LONGEST,
    controller: str = "us",
) -> JwtSvid:
    """Prove the caller by the JWT-SVID in its field Authorization: Bearer.

    It is a bearer token: a proxy that ends TLS, a log, or another service with our name can send it
    again until it ends. Where the caller's own TLS reaches us, `mtls` has no such gap.

    Args:
        trust_domain: "shop.example".
        keys: Its SPIFFE bundle, a JWKS whose keys say `"use": "jwt-svid"`; or a source of them,
            `pratique.keys.SpiffeBundle`.
        audience: Our own SPIFFE id, or another name that is ours alone: one of its `aud`.
        allow: As with `mtls`.
        longest: How far from now a token may end, above zero and at most a day.
        controller: Who signs for the trust domain.

    Raises:
        BoundaryError: as with `mtls`; no key is for JWT-SVIDs; the audience is empty, or the name
            of the whole trust domain; `longest` isn't in its bounds.

    Source: SPIFFE JWT-SVID §2 to §7; CWE-294.
    """
    callers = mtls(trust_domain, allow=allow, controller=controller)
    whole = (trust_domain, f"spiffe://{trust_domain}", f"spiffe://{trust_domain}/")
    if not audience.strip() or audience in whole:
        # JWT-SVID §3.2, §7.2: each service of a wide audience can be the caller at the others.
        raise BoundaryError(
            f"jwt_svid(audience={audience!r}) isn't the name of this service alone: "
            f"spiffe://{trust_domain}/orders."
        )
    if not timedelta(0) < longest <= timedelta(days=1):
        raise BoundaryError("jwt_svid(longest=…) is above zero and at most a day.")
    source = _source(keys)
    reader = JwtSvidReader(source, audience=audience, longest=longest)
    return JwtSvid(callers, audience, source, longest, reader)


def _source(keys: object) -> KeySource:
    if isinstance(keys, Mapping):
        return svid_keys(cast("Mapping[str, Any]", keys))
    if isinstance(keys, KeySet) or not isinstance(keys, KeySource):
        # Of a KeySet nobody can tell any more what its keys were published for.
        raise BoundaryError(
            "jwt_svid(keys=…) is a SPIFFE bundle, or a source such as SpiffeBundle."
        )
    return keys
