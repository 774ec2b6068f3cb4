"""Who a client is: proven by an access token that works on its own TLS connections alone."""

from typing import ClassVar

from pratique.core.claim import Claim
from pratique.core.proofs.authentic.bound import require_certificate
from pratique.core.proofs.authentic.jwt import JwtClaims

from .identity import BearerToken


class CertificateToken(BearerToken):
    """An access token that its issuer bound to the client's certificate.

    It takes what `BearerToken` takes. The client shows the certificate on the TLS connection that
    ends at our server; a stolen token is worth nothing without its private key. A token that isn't
    bound is refused, and so is a certificate before or after its time, at each request.

    Source: RFC 8705 §3; RFC 5280 §4.1.2.5.
    """

    reads_client_certificate: ClassVar[bool] = True
    binding = ", bound to the client certificate of the connection"

    def require_holder(self, claims: JwtClaims, claim: Claim) -> None:
        """Refuse a token whose certificate isn't the one of this connection.

        Raises:
            Refused: see `require_certificate`.
        """
        require_certificate(claims.get("cnf"), claim.via, at=claim.received_at)
