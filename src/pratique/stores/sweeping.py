"""Letting go of what can't matter any more, a slice at a time, when the operator says so."""

import asyncio
from datetime import timedelta
from typing import Any, Final

from pratique.core.key import ATTEMPTS, IDEMPOTENCY, PROOFS, REVOKED, TOKENS, prefixed
from pratique.core.refusal import BoundaryError
from pratique.core.store import Stale, Store

SLICE: Final = 500
"""Keys that one transaction looks at: a few milliseconds in which a writer may have to wait."""
TOKENS_KEPT: Final = timedelta(hours=1)
"""A DPoP proof is fresh for at most 7 minutes, a transaction token for 5 and its leeway; the rest
allows for clocks that are set meanwhile."""
ANSWERS_KEPT: Final = timedelta(days=7)
CONTENTS_KEPT: Final = timedelta(days=90)
"""Longer than senders offer to send an event again (Stripe 30 days)."""
LEAST_KEPT: Final = timedelta(days=1)
"""Stripe forgets an idempotency key after 24 hours at the earliest."""


def sweep(
    store: Store, *, answers: timedelta = ANSWERS_KEPT, contents: timedelta = CONTENTS_KEPT
) -> int:
    """Delete what can't matter any more; return how many keys and contents went.

    Counters of attempts whose window is over; used DPoP proofs and one-time tokens that are stale
    by now; revocations of what has ended by itself; answers beside idempotency keys, *answers* old;
    contents of dead letters, *contents* old.
    Nothing else is looked at: keys of webhooks and business keys stay for good
    (docs/adr/0003-settled-keys-never-expire.md), and so does every key with a crossing's record.

    Call it as often as you like, from one process or several: once an hour is plenty. Nothing
    calls it by itself: what is deleted in your own database, and when, is yours to say. Judged by
    the store's own clock, like every lease.

    Args:
        store: A started one.
        answers: For how long a client that sends its idempotency key again is told the kept answer,
            a day at least. Later its request is refused by the business key: "already_applied".
        contents: For how long the content of a dead letter is kept after it came last, a day at
            least. That it came, how often and why is kept for good.

    Raises:
        BoundaryError: `answers` or `contents` is under a day, or the store is asked on the event
            loop: `asweep`.
        StoreError: it doesn't answer. What was deleted before stays deleted.
    """
    face = store.sync
    if face is None:
        raise BoundaryError("the store is asked on the event loop: await stores.asweep(store).")
    deleted = 0
    for what in _kinds(answers, contents):
        last = b""
        while True:
            done = face.sweep(what, after=last, most=SLICE)
            deleted, last = deleted + done.deleted, done.last
            if not last:
                break
    forget, last = _forgets(face), b""
    while forget is not None:
        done = forget(kept=contents, after=last, most=SLICE)
        deleted, last = deleted + done.deleted, done.last
        if not last:
            break
    return deleted


async def asweep(
    store: Store, *, answers: timedelta = ANSWERS_KEPT, contents: timedelta = CONTENTS_KEPT
) -> int:
    """Do the same without blocking the event loop. See `sweep`."""
    face = store.asynchronous
    if face is None:
        return await asyncio.to_thread(sweep, store, answers=answers, contents=contents)
    deleted = 0
    for what in _kinds(answers, contents):
        last = b""
        while True:
            done = await face.sweep(what, after=last, most=SLICE)
            deleted, last = deleted + done.deleted, done.last
            if not last:
                break
    forget, last = _forgets(face), b""
    while forget is not None:
        done = await forget(kept=contents, after=last, most=SLICE)
        deleted, last = deleted + done.deleted, done.last
        if not last:
            break
    return deleted


def _forgets(face: object) -> Any:
    """Return how a store forgets contents; None where it keeps none."""
    return getattr(face, "forget_contents", None)


def _kinds(answers: timedelta, contents: timedelta) -> tuple[Stale, ...]:
    if answers < LEAST_KEPT:
        raise BoundaryError("sweep(answers=…) is a day at least.")
    if contents < LEAST_KEPT:
        raise BoundaryError("sweep(contents=…) is a day at least.")
    return (
        Stale(prefixed(ATTEMPTS)),
        Stale(prefixed(REVOKED)),
        Stale(prefixed(PROOFS), TOKENS_KEPT),
        Stale(prefixed(TOKENS), TOKENS_KEPT),
        Stale(prefixed(IDEMPOTENCY), answers),
    )
