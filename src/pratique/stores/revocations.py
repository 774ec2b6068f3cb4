"""Tokens and sessions that were taken back: one by one, or all of a subject up to a moment."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Final, cast
from uuid import UUID

from pratique.core.callback import Callback
from pratique.core.key import REVOKED, prefixed
from pratique.core.obligation import FRESH
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.revocation import Issued
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import Store

MAX_LIFETIME: Final = timedelta(days=400)
MAX_LEAD: Final = timedelta(minutes=5)
MARGIN: Final = timedelta(hours=1)
"""How much longer a revocation is kept than what it revokes lives: leeway, clocks that are set."""
_ZERO: Final = timedelta(0)
_SECOND: Final = timedelta(seconds=1)
_ITSELF: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""In place of a moment, where a single token is taken back: whenever it was issued."""


class By(StrEnum):
    """What is looked up of each token."""

    ID = "id"
    """Whether this one was taken back. It owes a `jti`."""
    SUBJECT = "subject"
    """Whether all of its subject were, up to a moment."""


class KeptRevocations:
    """See `pratique.stores.revocations`."""

    def __init__(
        self, store: Store, *, lifetime: timedelta, by: Collection[By], lead: timedelta
    ) -> None:
        if not _SECOND <= lifetime <= MAX_LIFETIME or not _ZERO <= lead <= MAX_LEAD:
            raise BoundaryError(
                "stores.revocations(lifetime=…) is a second to 400 days, lead= 0 to 5 minutes."
            )
        if isinstance(by, str) or not by or not set(by) <= set(By):
            raise BoundaryError("stores.revocations(by=…) names By.ID, By.SUBJECT, or both.")
        self._store, self._lifetime, self._by, self._lead = store, lifetime, frozenset(by), lead
        self._look = _looking_in(store)

    @property
    def words(self) -> str:
        """Say what it refuses, for the report."""
        by = " and ".join(sorted(self._by))
        return f"not taken back, by {by}, in the store {self._store.name}"

    def debts(self, store: Store | None) -> list[str]:
        """Owe the perimeter's own store: another one is started by nobody."""
        if store is self._store:
            return []
        debt = (
            "what was taken back is kept in another store than the perimeter's. "
            "Hand in the same one: Perimeter(store=store), stores.revocations(store, …)."
        )
        return [debt]

    def require_in_force(self, issued: Issued) -> Flow[None]:
        """Refuse what was taken back, and what couldn't be.

        Raises:
            Refused: FRESH, code "revoked", "not_revocable" (401).
            StoreError: it doesn't answer, or not with moments.
        """
        at = issued.at
        # Without its beginning nobody knows how long it lives, and so how long its revocation must.
        if at is None:
            raise _not_revocable("it doesn't say when it was issued (iat)")
        if issued.until - at > self._lifetime:
            raise _not_revocable(
                f"it lives {(issued.until - at).total_seconds():.0f} s, and a revocation is kept "
                f"for {self._lifetime.total_seconds():.0f} s"
            )
        told: object = yield Lookup(self._look, (self._keys(issued),))
        if not isinstance(told, dict):
            raise StoreError("it didn't say what was taken back")
        # Both in whole seconds, as iat is: of a token of the same second nobody can say whether it
        # was issued before the moment or after it.
        moments = cast("dict[bytes, datetime]", told).values()
        if any(moment == _ITSELF or _whole(at) <= _whole(moment) for moment in moments):
            raise TokenRefused("it was taken back", code="revoked", obligation=FRESH)

    def revoke(self, issuer: str, id: str) -> None:
        """Take back one token, or one session: refused from its next use on.

        Args:
            issuer: Who issued it: `iss`, `SessionCookie.issuer`.
            id: Its `jti`; of a session, the digest that `load` gets.

        Raises:
            BoundaryError: one is empty, or `by=` hasn't By.ID: nobody would ask.
            StoreError: it isn't kept: tell whoever asked, and let them ask again.
        """
        self._write(self._id_key(issuer, id), _ITSELF)

    async def arevoke(self, issuer: str, id: str) -> None:
        """Do the same on the event loop. See `revoke`."""
        await self._awrite(self._id_key(issuer, id), _ITSELF)

    def revoke_before(self, issuer: str, subject: object, *, at: datetime) -> datetime:
        """Take back everything that was issued to a subject up to a moment, that second included.

        Args:
            issuer: Who issued it: `iss`, `SessionCookie.issuer`.
            subject: To whom: `sub`, `Session.subject`. A text, an int or a UUID; "7" and 7 are one.
            at: The moment, UTC. An earlier one than is kept changes nothing.

        Returns:
            From when on what is issued holds: the whole second after *at* and `lead=`.

        Raises:
            BoundaryError: one is empty or of another type, or `by=` hasn't By.SUBJECT.
            StoreError: it isn't kept: tell whoever asked, and let them ask again.
        """
        key, until = self._subject_key(issuer, subject), at + self._lead
        self._write(key, until)
        return _whole(until) + _SECOND

    async def arevoke_before(self, issuer: str, subject: object, *, at: datetime) -> datetime:
        """Do the same on the event loop. See `revoke_before`."""
        key, until = self._subject_key(issuer, subject), at + self._lead
        await self._awrite(key, until)
        return _whole(until) + _SECOND

    def _keys(self, issued: Issued) -> Sequence[bytes]:
        keys: list[bytes] = []
        if By.ID in self._by:
            if not issued.id:
                raise _not_revocable("it has no id (jti)")
            keys.append(_key(By.ID, issued.issuer, issued.id))
        if By.SUBJECT in self._by:
            subject = _text(issued.subject)
            if not subject:
                raise _not_revocable("its subject is no text, int or UUID")
            keys.append(_key(By.SUBJECT, issued.issuer, subject))
        return keys

    def _id_key(self, issuer: str, id: str) -> bytes:
        self._require(By.ID, issuer, id)
        return _key(By.ID, issuer, id)

    def _subject_key(self, issuer: str, subject: object) -> bytes:
        text = _text(subject)
        self._require(By.SUBJECT, issuer, text)
        return _key(By.SUBJECT, issuer, text)

    def _require(self, by: By, issuer: str, named: str) -> None:
        if by not in self._by:
            raise BoundaryError(f"stores.revocations(by=…) hasn't By.{by.name}: nobody would ask.")
        if not issuer or not named:
            raise BoundaryError(f"what is taken back has an issuer and a {by}; one is empty.")

    def _write(self, key: bytes, until: datetime) -> None:
        face = self._store.sync
        if face is None:
            raise BoundaryError("the store is asked on the event loop: arevoke, arevoke_before.")
        face.revoke(key, until=until, kept=self._lifetime + MARGIN)

    async def _awrite(self, key: bytes, until: datetime) -> None:
        face = self._store.asynchronous
        if face is None:
            await asyncio.to_thread(self._write, key, until)
        else:
            await face.revoke(key, until=until, kept=self._lifetime + MARGIN)


def revocations(
    store: Store,
    *,
    lifetime: timedelta,
    by: Collection[By] = (By.ID, By.SUBJECT),
    lead: timedelta = _ZERO,
) -> KeptRevocations:
    """Keep what was taken back: `revoked=` of an identity and of a `TransactionToken`.

    Asked at each use, also of a token that a `TokenCache` remembers. A store that is down or hangs
    refuses (503).

    Args:
        store: The perimeter's own.
        lifetime: Of the longest-lived token or session, from its beginning to its end, at most 400
            days. A revocation is kept an hour longer. What lives longer, or doesn't say since when,
            is refused: its revocation would be forgotten before it ends.
        by: What is looked up: one token by its id, all of a subject up to a moment, or both.
        lead: How far the issuer's clock may be ahead of ours, at most 5 minutes: a token that it
            issued before the moment may bear a later `iat`. The policy's `leeway=` allows as much.

    Raises:
        BoundaryError: one of them is out of its bounds, or `by` is empty.

    Source: RFC 7009; OWASP ASVS 5.0 §7.4; CWE-613.
    """
    return KeptRevocations(store, lifetime=lifetime, by=by, lead=lead)


def _key(by: By, issuer: str, named: str) -> bytes:
    # A digest: who names them says how long they are, and an index takes no key of any length.
    told = prefixed(issuer.encode("utf-8", "surrogatepass"), named.encode("utf-8", "surrogatepass"))
    return prefixed(REVOKED, by.encode()) + sha256(told).digest()


def _text(subject: object) -> str:
    """Return a subject as text; "" where it can't be one that is the same each time."""
    if isinstance(subject, str):
        return subject
    is_number = isinstance(subject, int) and not isinstance(subject, bool)
    return str(subject) if is_number or isinstance(subject, UUID) else ""


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _not_revocable(why: str) -> TokenRefused:
    return TokenRefused(
        f"it couldn't be taken back: {why}",
        code="not_revocable",
        obligation=FRESH,
        hint="compare what the issuer writes with stores.revocations(by=…, lifetime=…)",
    )


def _looking_in(store: Store) -> Callback:
    """Return (keys) -> up to when each was taken back."""
    sync, face = store.sync, store.asynchronous

    def look(keys: Sequence[bytes]) -> dict[bytes, datetime]:
        if sync is None:
            raise BoundaryError("the store is asked on the event loop: use an async door.")
        return dict(sync.revoked(keys))

    async def look_on_loop(keys: Sequence[bytes]) -> dict[bytes, datetime]:
        return dict(await face.revoked(keys)) if face is not None else {}

    # A sync face serves both drivers: the one on the loop asks it on a thread of the pool.
    call: Callable[..., object] = look_on_loop if sync is None and face is not None else look
    return Callback(call, is_async=call is look_on_loop, wants_session=False, where="the store")
