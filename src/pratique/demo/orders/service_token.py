"""The service token of the guide's "safer" orders service: it says which service, and no more."""

import hmac
import time

LIFE = 300
"""Seconds."""


def sign(secret: str, service: str, audience: str, *, ago: float = 0) -> str:
    """Return a token that ends five minutes after it was made."""
    said = f"{service} {audience} {time.time() - ago + LIFE:.0f}"
    return f"{said} {hmac.new(secret.encode(), said.encode(), 'sha256').hexdigest()}"


def verify(secret: str, token: str) -> str:
    """Return which service it names, "" where it isn't ours, isn't for us or is over."""
    said, _, mac = token.rpartition(" ")
    expected = hmac.new(secret.encode(), said.encode(), "sha256").hexdigest()
    if not hmac.compare_digest(expected.encode(), mac.encode()):
        return ""
    service, audience, until = said.split(" ")
    return service if audience == "orders" and float(until) > time.time() else ""
