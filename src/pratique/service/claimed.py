"""Fields in which somebody says that TLS has proven a client: none of them proves anything."""

import re
from typing import Final

from pratique.core.claim import Fields
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

FORWARDED: Final = "x-forwarded-client-cert"
# nginx and HAProxy examples: X-SSL-Client-Verify, X-SSL-Client-DN, SSL-Client-Cert; Apache:
# SSL_CLIENT_S_DN; RFC 9440: Client-Cert, Client-Cert-Chain; Traefik: X-Forwarded-Tls-Client-Cert;
# AWS: X-Amzn-Mtls-Clientcert; Azure: X-ARR-ClientCert; Google Cloud: X-Client-Cert-Present;
# Cloudflare: Cf-Client-Cert-Der-Base64.
_FAMILY: Final = re.compile(
    r"(?:x-)?(?:forwarded-|amzn-|arr-|cf-)?"
    r"(?:(?:m?tls|ssl)-client(?:-.*)?|m?tls-.*"
    r"|ssl-(?:cert|cn|dn|subject|issuer|verify|verified)(?:-.*)?"
    r"|client-(?:m?tls|ssl|verify|verified|s-dn|i-dn|dn|cn|subject|issuer)(?:-.*)?|x509-.*)"
    r"|(?:.*-)?(?:(?:client|peer)-?cert.*|spiffe(?:-?id)?|svid)"
)
_APART: Final = re.compile("[^a-z0-9]+")
_judged: Final = Memo[str, bool](1024)
"""Names that were looked at."""


def refuse_claimed(fields: Fields, *, but: str = "") -> None:
    """Refuse fields that name a client certificate, whoever sent them.

    Beside a certificate that TLS verified they are refused too: some other program behind this
    boundary might believe them (CWE-290, CWE-436).

    Args:
        fields: As they came.
        but: The one name, in its one spelling, that a declared proxy sets. Some servers read
            "X_Forwarded_Client_Cert" as the same: it isn't.

    Raises:
        Refused: AUTHENTIC, code "claimed_certificate".
    """
    for name, _ in fields:
        claims = _judged.get(name)
        if claims is None:
            claims = _judge(name)
        if claims and name.lower() != but:
            raise Refused(
                AUTHENTIC,
                "a field says which certificate the client has, and only TLS may say so",
                code="claimed_certificate",
                hint="have the proxy remove it, or declare forwarded_certificate(…) for Envoy's",
            )


def _judge(name: str) -> bool:
    # WSGI makes "-" a "_"; Apache does so with whatever isn't a letter or a digit.
    plain = _APART.sub("-", name.lower())
    return _judged.keep(name, _FAMILY.fullmatch(plain) is not None)
