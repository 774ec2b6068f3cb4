"""What is missing from a boundary and from each of its `on(…)`, with its mend."""

from collections.abc import Iterable
from typing import Final

from pratique.core.callback import Callback
from pratique.core.obligation import (
    ALLOWED,
    AUTHENTIC,
    CONFIRMED,
    FRESH,
    LINKED,
    UNIQUE,
    VALID,
    Obligation,
)
from pratique.core.store import Store

from .rules import Registration
from .scheme import Scheme

MENDS: Final[dict[Obligation, str]] = {
    AUTHENTIC: (
        "The sender signs nothing: pass confirm=, which re-reads the object at the sender."
    ),
    FRESH: "No time is signed: pass confirm=, which reads the state at its source now.",
    UNIQUE: "Pass once=, the business key.",
    CONFIRMED: "Pass confirm=, which re-reads the object at the sender.",
    LINKED: "Pass link=, which finds our own row.",
    ALLOWED: "Pass allow=, which judges the transition from the row's present state.",
    VALID: "The event type isn't signed: pass content=, the type that it must have.",
}
"""What to pass so that an obligation is discharged."""


def registration_debts(
    registration: Registration, scheme: Scheme, store: Store | None
) -> Iterable[str]:
    """Yield what the sender's grade and the store ask of it, and it hasn't.

    Args:
        registration: What `on(…)` declares.
        scheme: How the sender signs.
        store: The perimeter's; None where it has none.
    """
    waived = {waiver.obligation for waiver in registration.waivers}
    for obligation in (AUTHENTIC, CONFIRMED, UNIQUE):
        if obligation in waived and (reason := never_waived(obligation, scheme)):
            yield f"{registration.types[0]}: {reason}"
    if store is not None:
        yield from _callable_debts(registration, store)


def never_waived(obligation: Obligation, scheme: Scheme) -> str:
    """Return why that proof can't be waived for a sender, "" where it can."""
    if obligation is AUTHENTIC:
        return "AUTHENTIC can't be waived."
    if obligation is CONFIRMED and scheme.grade != "signed":
        return f"{scheme.name} is {scheme.grade}, so CONFIRMED can't be waived."
    if obligation is UNIQUE and not scheme.has_key:
        return (
            f"{scheme.name} has no key of its own that a stranger couldn't use up, "
            "so UNIQUE can't be waived."
        )
    return ""


def _callable_debts(registration: Registration, store: Store) -> Iterable[str]:
    roles: dict[str, Callback | None] = {
        "link": registration.link,
        "allow": registration.allow,
        "handler": registration.act,
    }
    for role, callback in roles.items():
        if callback is not None and callback.wants_session and not store.has_session:
            yield (
                f"{registration.types[0]}: {role} ({callback.where}) wants a session, "
                f"and the store {store.name} has none. "
                "Use stores.postgres(url), stores.sqlalchemy(Session) or stores.sqlite3(connect)."
            )
        if (
            callback is not None
            and callback.is_async
            and store.transactional
            and store.asynchronous is None
        ):
            yield (
                f"{registration.types[0]}: {role} ({callback.where}) is async, "
                "and the store's session is sync. "
                "Make it a plain def: it runs on a thread of the pool."
            )
