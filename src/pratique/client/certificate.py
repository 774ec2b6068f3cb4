"""Who a client is: proven by an access token that works on its own TLS connections alone."""

from collections.abc import Sequence
from typing import ClassVar

from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.bound import require_certificate
from pratique.core.proofs.authentic.jwt import JwtClaims
from pratique.core.roots import Root, RootKind, ways

from .identity import BearerToken


class CertificateToken(BearerToken):
    """An access token that its issuer bound to the client's certificate.

    It takes what `BearerToken` takes. The client shows the certificate on the TLS connection that
    ends at our server; a stolen token is worth nothing without its private key. A token that isn't
    bound is refused.

    Source: RFC 8705 §3.
    """

    reads_client_certificate: ClassVar[bool] = True

    def require_holder(self, claims: JwtClaims, claim: Claim) -> None:
        """Refuse a token whose certificate isn't the one of this connection.

        Raises:
            Refused: see `require_certificate`.
        """
        require_certificate(claims.get("cnf"), claim.via)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the issuer, which names the certificate, and its keys."""
        _, fresh = super().proofs()
        policy = self.policy
        issuer = Root(RootKind.PARTY, policy.issuer, controller=policy.issuer)
        words = (
            f"a {policy.type} of {policy.issuer}, {', '.join(policy.algorithms)}, "
            "bound to the client certificate of the connection"
        )
        return Proof(AUTHENTIC, words, ways(issuer)), fresh
