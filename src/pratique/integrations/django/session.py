"""Who a client is, by the session that Django keeps of it; the user as it is now."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
    load_backend,
)
from django.core.exceptions import ValidationError
from django.utils.crypto import constant_time_compare

from pratique.client.identity import SAFE, cookie, require_origins, require_same_site
from pratique.core.access import Asker
from pratique.core.boundary import Proof
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import Refused
from pratique.core.roots import CLOCK, OWN_CODE, Root, RootKind, ways


class DjangoSession:
    """A session of `django.contrib.sessions`, opened by `django.contrib.auth.login`.

    The cookie and the session are read here, whatever middleware did with them. The subject is the
    primary key of the user that is signed in, whom the backend that signed it in still knows, with
    a password that is unchanged since. `user=active_user` loads it.

    Args:
        origins: Where state may be changed from, "https://shop.example": an unsafe method from
            anywhere else is a request that a browser was tricked into (CWE-352). It stands in the
            place of Django's CSRF token.

    Raises:
        BoundaryError: an origin that is none.

    Source: OWASP ASVS 5.0 chapter 7; Django, "How to use sessions".
    """

    challenge: ClassVar[str] = "Cookie"

    def __init__(self, *, origins: Sequence[str]) -> None:
        self.origins = require_origins("DjangoSession", origins)
        self._load = Asker.of(signed_in, arguments=1, role="load")

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Find the user that is signed in by the session of the cookie.

        Raises:
            Refused: AUTHENTIC, code "no_session", "cross_site", "two_sessions".
        """
        claim = crossing.claim
        if claim.via.method not in SAFE:
            require_same_site("DjangoSession", claim.fields, self.origins)
        key = cookie(claim.fields, settings.SESSION_COOKIE_NAME)
        if not key or not key.isascii():
            raise _no_session()
        subject: object = yield Lookup(*self._load.with_session((key,), session))
        if subject is None:
            raise _no_session()
        crossing.discharge(AUTHENTIC)
        crossing.discharge(FRESH)  # a session that is over is not found
        return subject

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: Django's own sessions and users."""
        table = Root(RootKind.STORE, "sessions")
        words = f"a session of Django's, by the key in the cookie {settings.SESSION_COOKIE_NAME}"
        until = f"not over: {settings.SESSION_COOKIE_AGE} s by SESSION_COOKIE_AGE"
        return (
            Proof(AUTHENTIC, words, ways(table, OWN_CODE), self._load.callback.where),
            Proof(FRESH, until, ways(table, CLOCK)),
        )

    def read(self) -> list[str]:
        """Say whether the project has sessions and users at all."""
        needed = ("django.contrib.auth",)
        return [
            f"DjangoSession reads who is signed in, and INSTALLED_APPS has no {name}."
            for name in needed
            if name not in settings.INSTALLED_APPS
        ]


def signed_in(key: str) -> Any:
    """Return the primary key of the user that is signed in by a session; None where nobody is.

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
    return user.pk


def active_user(subject: Any) -> Any:
    """Return the user of that primary key as it is now, if it may act: for `Client(user=…)`."""
    model: Any = get_user_model()
    user: Any = model._default_manager.filter(pk=subject).first()  # noqa: SLF001  documented
    return user if user is not None and user.is_active is True else None


def _user_key(text: str) -> Any:
    model: Any = get_user_model()
    return model._meta.pk.to_python(text)  # noqa: SLF001  documented


def _no_session() -> Refused:
    return Refused(AUTHENTIC, "no session of ours belongs to the cookie", code="no_session")
