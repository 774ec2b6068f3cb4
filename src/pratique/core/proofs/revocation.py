"""Was it taken back before its end? What is asked of a token or a session at each use."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from pratique.core.access import Asker
from pratique.core.obligation import FRESH
from pratique.core.question import Flow, Lookup
from pratique.core.store import Store

from .authentic.jws import TokenRefused


@dataclass(frozen=True, slots=True)
class Issued:
    """What a revocation is told by, of a token or a session that is proven.

    Args:
        issuer: Who issued it: `iss`; of a session, `SessionCookie.issuer`.
        subject: For whom.
        id: Its `jti`; None where it has none. Of a session, the digest of its token.
        at: When it was issued (UTC): `iat`; None where it doesn't say.
        until: When it ends by itself (UTC).
    """

    issuer: str
    subject: object
    id: str | None
    at: datetime | None
    until: datetime


@runtime_checkable
class Revocations(Protocol):
    """Where it is kept what was taken back: `stores.revocations(…)` is one."""

    @property
    def words(self) -> str:
        """Say what it refuses, for the report."""
        ...

    def require_in_force(self, issued: Issued) -> Flow[None]:
        """Refuse what was taken back, and what couldn't be. Asked at each use.

        Raises:
            Refused: FRESH, code "revoked", "not_revocable".
        """
        ...

    def debts(self, store: Store | None) -> list[str]:
        """Return what is wrong at the start, with the perimeter's store, one sentence each."""
        ...


Revoked = Revocations | Callable[..., Any] | None
"""Where it is kept, or our user's own callable (what is proven[, session]) -> bool."""


@dataclass(frozen=True, slots=True)
class TakenBack:
    """How an identity learns that what it proves was taken back.

    Args:
        kept: Where that is kept, if it is kept with us.
        asker: Our user's own callable, if they handed in one.
    """

    kept: Revocations | None
    asker: Asker | None

    @classmethod
    def of(cls, revoked: Revoked) -> "TakenBack":
        """Look at what was handed in.

        Raises:
            BoundaryError: a callable that takes another number of arguments than one.
        """
        if isinstance(revoked, Revocations):
            return cls(revoked, None)
        asker = None if revoked is None else Asker.of(revoked, arguments=1, role="revoked")
        return cls(None, asker)

    def require(self, told: object, session: object, *, issued: Callable[[], Issued]) -> Flow[None]:
        """Refuse what was taken back.

        Args:
            told: What a callable of our user is asked with.
            session: The request's own, for a callable that takes one.
            issued: () -> what revocations are asked with.

        Raises:
            Refused: FRESH, code "revoked", "not_revocable".
        """
        if self.kept is not None:
            yield from self.kept.require_in_force(issued())
        if self.asker is not None:
            said: object = yield Lookup(*self.asker.with_session((told,), session))
            if said is not False:  # nothing, or a forgotten await, is no "it holds"
                raise TokenRefused("it was taken back", code="revoked", obligation=FRESH)

    @property
    def words(self) -> str:
        """Say what is refused, for the report; "" where nothing is asked."""
        if self.kept is not None:
            return self.kept.words
        return "" if self.asker is None else "not taken back"

    @property
    def where(self) -> str:
        """Say where our user's callable stands; "" where there is none."""
        return "" if self.asker is None else self.asker.callback.where

    def debts(self, store: Store | None) -> list[str]:
        """Return what is wrong at the start."""
        return [] if self.kept is None else self.kept.debts(store)
