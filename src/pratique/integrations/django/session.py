"""Who a client is, by the session that Django keeps of it; the user as it is now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib import import_module
from typing import Any, ClassVar, Final

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
    user_logged_in,
)
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from pratique.client.identity import cookie
from pratique.core.access import Asker
from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.same_site import SAFE, require_origins, require_same_site
from pratique.core.proofs.fresh import require_fresh
from pratique.core.proofs.revocation import Issued, Revoked, TakenBack
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import CLOCK, OWN_CODE, Root, RootKind, ways
from pratique.core.store import Store

from .request import clock_of

BEGAN_AT: Final = "_pratique_began_at"
"""Key of a session under which it is kept when it was opened: Django keeps no such thing."""
_LEAD: Final = timedelta(seconds=60)
_UNAUTHENTICATED: Final = 401


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose session it is, as Django keeps it.

    Attributes:
        subject: The user's primary key.
        began_at: When it was opened (UTC); None where nobody noted it.
    """

    subject: object
    began_at: datetime | None


class DjangoSession:
    """A session of `django.contrib.sessions`, opened by `django.contrib.auth.login`.

    The cookie and the session are read here, whatever middleware did with them. The subject is the
    primary key of the user that is signed in, whom the backend that signed it in still knows, with
    a password that is unchanged since. `user=active_user` loads it.

    Args:
        origins: Where state may be changed from, "https://shop.example": an unsafe method from
            anywhere else is a request that a browser was tricked into (CWE-352), and so is a GET
            for an action that declares an effect (`Action.changes`). It stands in the place of
            Django's CSRF token.
        lifetime: How long a session may last in all, however often it is renewed. From then on each
            sign-in notes its moment in the session; one that has none is refused.
        revoked: `stores.revocations(…)`, told by `issuer` and the user's primary key or
            `session_id(key)`; or (`Issued`[, session]) -> whether it was taken back. It owes
            `lifetime`: a revocation is forgotten when what it revokes has ended.

    Raises:
        BoundaryError: an origin that is none, a lifetime of zero, `revoked` without one.

    Source: OWASP ASVS 5.0 chapter 7, §7.4; Django, "How to use sessions"; CWE-613.
    """

    challenge: ClassVar[str] = "Cookie"

    def __init__(
        self,
        *,
        origins: Sequence[str],
        lifetime: timedelta | None = None,
        revoked: Revoked = None,
    ) -> None:
        self.origins = require_origins("DjangoSession", origins)
        if lifetime is not None and lifetime <= timedelta(0):
            raise BoundaryError("DjangoSession(lifetime=…) is above zero.")
        if revoked is not None and lifetime is None:
            raise BoundaryError(
                "DjangoSession(revoked=…) owes lifetime=: Django renews a session without an end, "
                "and a revocation has one."
            )
        self.lifetime = lifetime
        self._load = Asker.of(signed_in, arguments=1, role="load")
        self._taken_back = TakenBack.of(revoked)
        if lifetime is not None:
            user_logged_in.connect(_note_beginning, dispatch_uid=BEGAN_AT)

    @property
    def issuer(self) -> str:
        """Return whose sessions these are, as revocations are told it."""
        return f"cookie:{settings.SESSION_COOKIE_NAME}"

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Find the user that is signed in by the session of the cookie.

        Raises:
            Refused: AUTHENTIC, code "no_session", "cross_site", "two_sessions"; FRESH, code
                "session_over", "revoked", "not_revocable".
        """
        claim = crossing.claim
        if claim.via.method not in SAFE:
            self.require_origin(claim)
        key = cookie(claim.fields, settings.SESSION_COOKIE_NAME)
        if not key or not key.isascii():
            raise _no_session()
        found: object = yield Lookup(*self._load.with_session((key,), session))
        if not isinstance(found, SignedIn):
            raise _no_session()
        crossing.principal = found.subject
        crossing.discharge(AUTHENTIC)
        if self.lifetime is not None:
            yield from self._require_in_force(key, found, claim, self.lifetime, session)
        crossing.discharge(FRESH)  # a session that is over is not found
        return found.subject

    def require_origin(self, claim: Claim) -> None:
        """Refuse a change of state that another's page asks for.

        Raises:
            Refused: AUTHENTIC, code "cross_site".
        """
        require_same_site("DjangoSession", claim, self.origins)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: Django's own sessions and users."""
        table = Root(RootKind.STORE, "sessions")
        words = f"a session of Django's, by the key in the cookie {settings.SESSION_COOKIE_NAME}"
        until = f"not over: {settings.SESSION_COOKIE_AGE} s by SESSION_COOKIE_AGE"
        in_all = "" if self.lifetime is None else f"at most {self.lifetime} in all"
        until = ", ".join(filter(None, (until, in_all, self._taken_back.words)))
        return (
            Proof(AUTHENTIC, words, ways(table, OWN_CODE), self._load.callback.where),
            Proof(FRESH, until, ways(table, CLOCK), self._taken_back.where),
        )

    def store_debts(self, store: Store | None) -> list[str]:
        """Return what is wrong with the perimeter's store, one sentence each."""
        return self._taken_back.debts(store)

    def read(self) -> list[str]:
        """Say whether the project has sessions and users at all."""
        needed = ("django.contrib.auth",)
        return [
            f"DjangoSession reads who is signed in, and INSTALLED_APPS has no {name}."
            for name in needed
            if name not in settings.INSTALLED_APPS
        ]

    def _require_in_force(
        self, key: str, found: SignedIn, claim: Claim, lifetime: timedelta, session: object
    ) -> Flow[None]:
        began = found.began_at
        if began is None:
            raise _over("it doesn't say when it was opened: it is from before lifetime= was named")
        try:
            require_fresh(began, at=claim.received_at, tolerance=lifetime, lead=_LEAD)
        except Refused as refused:
            raise _over(refused.detail) from None
        told = Issued(self.issuer, found.subject, session_id(key), began, began + lifetime)
        yield from self._taken_back.require(told, session, issued=lambda: told)


def session_id(key: str) -> str:
    """Return by what one session is taken back: SHA-256 of its key, hexadecimal.

    A key that Django renews (at a changed password, or where `SECRET_KEY` was rotated) has another
    one: who must be out is taken back by the user.

    Args:
        key: `request.session.session_key`.
    """
    return sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def signed_in(key: str) -> SignedIn | None:
    """Return who is signed in by a session, by the key of the cookie; None where nobody is.

    Nothing is written: neither is the session flushed, nor its hash or key renewed.
    """
    engine: Any = import_module(settings.SESSION_ENGINE)
    session: Any = engine.SessionStore(key)
    try:
        subject, path = session[SESSION_KEY], session[BACKEND_SESSION_KEY]
    except KeyError:
        return None
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    backend: Any = load_backend(path)
    try:
        user: Any = backend.get_user(_user_key(subject))
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    if user is None:
        return None
    kept = session.get(HASH_SESSION_KEY)
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    if not kept or not any(constant_time_compare(kept, each) for each in hashes):
        return None
    return SignedIn(user.pk, _moment(session.get(BEGAN_AT)))


def active_user(subject: Any) -> Any:
    """Return the user of that primary key as it is now, if it may act: for `Client(user=…)`."""
    model: Any = get_user_model()
    user: Any = model._default_manager.filter(pk=subject).first()  # noqa: SLF001  documented
    return user if user is not None and user.is_active is True else None


def _user_key(text: str) -> Any:
    model: Any = get_user_model()
    return model._meta.pk.to_python(text)  # noqa: SLF001  documented


def _note_beginning(*, request: Any, **_: Any) -> None:
    """Note in a session that somebody has just signed in; a receiver of Django's signal."""
    session: Any = getattr(request, "session", None)
    if session is not None:
        session[BEGAN_AT] = clock_of(request)().isoformat()


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None


def _over(why: str) -> Refused:
    return Refused(FRESH, why, code="session_over", status=_UNAUTHENTICATED)


def _no_session() -> Refused:
    return Refused(AUTHENTIC, "no session of ours belongs to the cookie", code="no_session")
