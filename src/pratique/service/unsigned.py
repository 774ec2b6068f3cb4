"""Fields in which somebody says who the user is, or what they may: a claim, and no proof."""

import re
from typing import Final

from pratique.core.claim import Fields
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

# X-User-Id, X-User-Role, X-Authenticated-User-Id, X-Forwarded-User, X-Auth-Request-Email,
# X-Tenant-Id, X-Roles, Remote-User, X-Consumer-Username, X-Is-Admin, X-Amzn-Oidc-Identity:
# underscores, case and the leading X- aside, since gateways and WSGI servers make them one.
_WHO: Final = (
    "user|userid|username|account|accountid|customer|customerid|principal|subject|sub|identity|"
    "consumer|member|owner|actor|email|tenant|tenantid|org|orgid|organization"
)
_MAY: Final = "role|roles|scope|scopes|group|groups|permission|permissions|admin|is-admin|is-staff"
_WORD: Final = f"(?:{_WHO}|{_MAY})"
_FAMILY: Final = re.compile(
    rf"(?:x-)?(?:(?:authenticated|auth|auth-request|forwarded|remote|real|original|verified|current|"
    rf"internal|amzn-oidc|goog-authenticated|ms-client-principal|webauth|consumer|caller)-)?{_WORD}"
    rf"(?:-(?:id|name|email|username|uuid|role|roles|groups|permissions|custom-id))?"
)
_HARMLESS: Final = frozenset({"user", "account", "sub", "scope", "email", "group", "role", "org"})
"""Words that are a field of something else as often as not, where no prefix says whose they are."""
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
    plain = name.lower().replace("_", "-")
    claims = plain not in _HARMLESS and _FAMILY.fullmatch(plain) is not None
    return _judged.keep(name, claims)
