"""A key that a client sends so that it may ask again: the same request has the same answer."""

import re
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from .claim import Claim
from .crossing import Crossing
from .key import IDEMPOTENCY, business_key, prefixed
from .obligation import UNIQUE, VALID
from .refusal import Refused
from .store import Kept
from .structured import Malformed, Token, read_item
from .writable import UNPROCESSABLE

FIELD: Final = "Idempotency-Key"
MAX_KEY: Final = 255
"""Characters. Stripe's own bound."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9._:-]{1,255}")


@dataclass(frozen=True, slots=True)
class Retry:
    """The key of one request, within its scope: boundary, action, method, principal, caller.

    It makes a retry safe and discharges nothing: what may happen once is said by the business key.

    Args:
        key: As the store has it. The client's own text isn't in it, only its digest.
        said: What the request says, with the client's text: never kept, but as a digest.

    Source: IETF draft-ietf-httpapi-idempotency-key-header; CWE-488, CWE-837.
    """

    key: bytes
    said: bytes

    def fingerprint(self, tenant: object) -> bytes:
        """Return what the same request has in common, with the tenant that the user is in."""
        # Prefixed by the client's own random text: a short code in the content can't be read back.
        return sha256(self.said + (b"" if tenant is None else business_key(b"", tenant))).digest()

    def require_same(self, kept: Kept | None, tenant: object) -> bytes:
        """Return the kept answer, if it is this request's.

        Raises:
            Refused: UNIQUE, code "key_conflict" (422).
        """
        if kept is None or not compare_digest(kept.fingerprint, self.fingerprint(tenant)):
            raise Refused(
                UNIQUE,
                "its idempotency key was used for another request",
                code="key_conflict",
                hint="a client makes a new key for each thing that it wants done",
                status=UNPROCESSABLE,
            )
        return kept.result


def retry_of(crossing: Crossing, action: str, subject: object, path_key: str) -> Retry | None:
    """Return the idempotency key of a request, None where it has none.

    Args:
        crossing: With the proven identity.
        action: What is asked for.
        subject: Whose request it is, proven.
        path_key: Which object, as it stands in the path.

    Raises:
        Refused: VALID, code "bad_idempotency_key" (400), "duplicate_field".
    """
    claim = crossing.claim
    text = _sent(claim)
    if text is None:
        return None
    route = (crossing.boundary.name, action, claim.via.method, crossing.party)
    scope = prefixed(IDEMPOTENCY, *(part.encode() for part in route), business_key(b"", subject))
    said = prefixed(text.encode("ascii"), path_key.encode("utf-8", "surrogatepass"), claim.content)
    return Retry(scope + sha256(text.encode("ascii")).digest(), said)


def _sent(claim: Claim) -> str | None:
    line = claim.fields.one(FIELD)
    if line is None:
        return None
    text = line.strip(" \t")
    if _PLAIN.fullmatch(text):  # without the quotes that the draft owes: most clients send it so
        return text
    try:
        value = read_item(text).value
    except Malformed:
        value = None
    if isinstance(value, str) and not isinstance(value, Token) and 0 < len(value) <= MAX_KEY:
        return value
    raise Refused(
        VALID,
        f"the idempotency key isn't a string of 1 to {MAX_KEY} characters (RFC 8941 §3.3.3)",
        code="bad_idempotency_key",
    )
