"""Was it said now? Age and lead of a signed time, each bounded."""

from datetime import datetime, timedelta

from pratique.core.obligation import FRESH
from pratique.core.refusal import Refused


def require_fresh(
    sent_at: datetime, *, at: datetime, tolerance: timedelta, lead: timedelta | None = None
) -> None:
    """Refuse a claim sent more than *tolerance* before *at*, or more than *lead* after it.

    Args:
        sent_at: When the sender says that it spoke. UTC, and covered by the signature, else it
            proves nothing.
        at: When the claim reached us. UTC.
        tolerance: Longest age. Above zero.
        lead: Longest lead of the sender's clock; the same as *tolerance* by default.

    Raises:
        Refused: FRESH, code "stale" or "from_the_future".

    Source: Standard Webhooks, "Verifying signatures"; RFC 9421 §7.2.2 "Signature Replay"; CWE-294.
    """
    # The difference first: a naive time beside an aware one is a TypeError, never a guessed zone.
    age = (at - sent_at).total_seconds()
    require_fresh_seconds(
        0,
        at=age,
        tolerance=tolerance.total_seconds(),
        lead=None if lead is None else lead.total_seconds(),
    )


def require_fresh_seconds(
    sent: float, *, at: float, tolerance: float, lead: float | None = None
) -> None:
    """Do the same in seconds since 1970, as most senders write their time. See `require_fresh`."""
    age = at - sent
    most = tolerance if lead is None else lead
    if age > tolerance:
        raise Refused(
            FRESH,
            f"it was said {age:.0f} s ago, at most {tolerance:.0f} s are allowed",
            code="stale",
            hint="compare this host's clock with the sender's; "
            "a sender that retries signs a new time",
        )
    if age < -most:
        raise Refused(
            FRESH,
            f"it was said {-age:.0f} s from now, at most {most:.0f} s are allowed",
            code="from_the_future",
            hint="compare this host's clock with the sender's",
        )
