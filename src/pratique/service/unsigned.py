"""Fields in which somebody says who the user is, or what they may: a claim, and no proof."""

import re
from typing import Final

from pratique.core.claim import Fields
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

# X-User-Id, X-User-Role, X-Authenticated-User-Id, X-Forwarded-User, X-Auth-Request-Email,
# X-Tenant-Id, X-Roles, Remote-User, X-Consumer-Username, X-Is-Admin, X-Amzn-Oidc-Identity:
# underscores, dots, case and the leading X- aside, since gateways and CGI servers make them one.
_WHO: Final = (
    "user|userid|username|account|accountid|customer|customerid|principal|subject|sub|identity|"
    "consumer|member|owner|actor|email|uid|tenant|tenantid|org|orgid|organization|company-?id|"
    "workspace-?id|organisation|organisationid|employee|employeeid|person|personid|merchant|merchantid"
)
_MAY: Final = (
    "role|roles|scope|scopes|group|groups|permission|permissions|admin|is-admin|is-staff|claims|"
    "privileges|clearance|access-level|member-?of"
)
# Who sets them: oauth2-proxy, Kong, Envoy; AWS, Google, Azure; Cloudflare Access, Pomerium,
# authentik, Authelia, Tailscale, Vouch; mod_auth_openidc, Shibboleth, SiteMinder, WebSEAL.
_BY: Final = (
    "authenticated|auth|auth-request|forwarded|remote|real|original|verified|current|internal|"
    "amzn-oidc|goog-authenticated|ms-client|ms-client-principal|webauth|consumer|caller|credential|"
    "cf-access-authenticated|(?:pomerium-|oidc-|jwt-|token-)?claim|jwt|oidc|token|session|authentik|"
    "tailscale|vouch|shib|saml|sm|iv|hasura"
)
_FAMILY: Final = re.compile(
    rf"(?:x-)?(?:(?:{_BY})-)?(?:{_WHO}|{_MAY})"
    r"(?:-(?:id|name|email|username|uuid|role|roles|groups|permissions|custom-id))?"
    r"|(?:remote|ms-client-principal|x-ms-client-principal)-(?:name|id)"
)
# Words that are about a user whatever stands before them, and what they then say of it.
# X-User-Language or X-User-Agent say nothing of who it is.
_WHOEVER: Final = re.compile(
    r"(?:.*-)?(?:x?user|username|userinfo|principal|tenant|superuser|authorities|entitlements|eppn)"
    r"(?:-?(?:id|name|uuid|uid|sub|email|login|info|dn|type|level|roles?|groups?|permissions?|scopes?"
    r"|tenant|tenant-?id|org|org-?id|admin|is-admin))?"
    r"|(?:x-)?(?:impersonate.*|on-behalf-of|act-as|acting-as|run-as|sudo)"
)
_HARMLESS: Final = frozenset(
    {
        "user",
        "account",
        "sub",
        "subject",
        "scope",
        "email",
        "group",
        "role",
        "org",
        "sec-fetch-user",
    }
)
"""Words that are a field of something else as often as not, where no prefix says whose they are;
and what a browser says of a click."""
_APART: Final = re.compile("[^a-z0-9]+")
_judged: Final = Memo[str, bool](1024)
"""Names that were looked at."""


def refuse_unsigned(fields: Fields) -> None:
    """Refuse a request that names its user, tenant or role in a field that nobody signed.

    An authenticated caller that is believed in this is a confused deputy: whoever can make it send
    a field is everybody. The user comes in a signed token, the role from our own state.

    Raises:
        Refused: AUTHENTIC, code "unsigned_identity".

    Source: guide §6; CWE-290, CWE-441, CWE-807.
    """
    for name, _ in fields:
        claims = _judged.get(name)
        if claims is None:
            claims = _judge(name)
        if claims:
            raise Refused(
                AUTHENTIC,
                "a field says who the user is or what they may, and nobody signed it",
                code="unsigned_identity",
                hint="send the user in a transaction token, and let the gateway remove the field",
            )


def _judge(name: str) -> bool:
    # RFC 3875 §4.1.18 makes "-" a "_"; Apache does so with whatever isn't a letter or a digit.
    plain = _APART.sub("-", name.lower())
    claims = plain not in _HARMLESS and (
        _FAMILY.fullmatch(plain) is not None or _WHOEVER.fullmatch(plain) is not None
    )
    return _judged.keep(name, claims)
