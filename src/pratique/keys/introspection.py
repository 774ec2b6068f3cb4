"""Who an opaque token speaks for: only its issuer can say, so it is asked."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast
from urllib.parse import quote_plus, urlencode

from pratique.core.answered import Answered
from pratique.core.boundary import Proof
from pratique.core.crossing import Crossing
from pratique.core.memo import Memo
from pratique.core.obligation import AUTHENTIC, FRESH
from pratique.core.proofs.authentic.jws import TokenRefused, require_size
from pratique.core.proofs.authentic.numeric_date import seconds_of
from pratique.core.proofs.authentic.presented import bearer_token
from pratique.core.proofs.revocation import Issued, Revoked, TakenBack
from pratique.core.question import Flow, Refresh
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.roots import CLOCK, Root, RootKind, ways
from pratique.core.secret import LiveSecret, Secret, read_all
from pratique.core.store import Store

from .answered import Lines, Poster, UnusableError, object_in, require_issuer_url

MAX_AGE: Final = timedelta(minutes=5)
"""A token that was taken back is believed as long; RFC 7662 §4."""
_ZERO: Final = timedelta(0)


class OpaqueToken:
    """A token that says nothing by itself, in the Authorization field; its issuer is asked.

    What the issuer answers must be a whole yes: `active` exactly true, `iss`, `aud` and `sub` ours,
    `exp` to come, `token_type` Bearer. Everything else is refused, and an issuer that is down says
    nothing.

    Args:
        url: The issuer's introspection endpoint.
        issuer: `iss` of the answer, compared whole.
        audience: Who we are: one of the answer's `aud` must be it, or one of a tuple of ours.
        client_id: Who we are to the issuer.
        secret: What proves that; sent by HTTP Basic, to this URL alone.
        fetch: Goes there: a `pratique.fetch.Fetch` whose policy names the host. Its deadline is the
            one of each question.
        max_age: How long an answer is believed without another question; zero asks each time.
            At most 5 minutes, and never past `exp`.
        max_tokens: How many answers are kept; one more begins anew.
        revoked: `stores.revocations(…)`, or (what the issuer answered[, session]) -> whether it was
            taken back with us; asked each time, also of an answer that is kept.

    Raises:
        BoundaryError: the URL is none of https, a text is empty, or a limit is out of bounds.

    Source: RFC 7662; RFC 6749 §2.3.1; CWE-636.
    """

    challenge: ClassVar[str] = "Bearer"

    def __init__(  # noqa: PLR0913  each is one fact that only the caller knows
        self,
        url: str,
        *,
        issuer: str,
        audience: str | tuple[str, ...],
        client_id: str,
        secret: Secret,
        fetch: Poster,
        max_age: timedelta = _ZERO,
        max_tokens: int = 4096,
        revoked: Revoked = None,
    ) -> None:
        told = (audience,) if isinstance(audience, str) else audience
        if not all(one.strip() for one in (issuer, client_id, *told)) or not told:
            raise BoundaryError(
                "OpaqueToken(issuer=, audience=, client_id=): one is empty. Name each."
            )
        if not _ZERO <= max_age <= MAX_AGE or max_tokens < 1:
            raise BoundaryError("OpaqueToken(max_age=) is 0 to 5 minutes, max_tokens= above zero.")
        self.url = require_issuer_url("OpaqueToken(url)", url)
        self.issuer, self.audience, self.client_id = issuer, frozenset(told), client_id
        self._secret, self._live = secret, cast("LiveSecret | None", None)
        self._fetch = fetch
        self._kept = _Kept(max_age, max_tokens)
        self._taken_back = TakenBack.of(revoked)

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of a token that its issuer says is in force.

        Raises:
            Refused: AUTHENTIC, code "introspection_unavailable" (retry), "inactive_token",
                "wrong_issuer", "wrong_audience", "wrong_type", "bound_token", "bad_claim"; FRESH,
                code "expired_token", "not_yet_valid", "bad_date", "revoked", "not_revocable".
        """
        claim = crossing.claim
        token = bearer_token(claim.fields)
        require_size(token)
        at = claim.received_at
        key = hashlib.sha256(token.encode("ascii")).digest()
        told = self._kept.find(key, at)
        if told is None:
            asking = _Asking(self._fetch, self.url, self._question(token))
            yield Refresh(asking, None)
            told = asking.told()
            self._require_ours(told)
            self._require_in_force(told, at)
            self._kept.keep(key, told, at)
        else:
            self._require_in_force(told, at)
        crossing.principal = told["sub"]
        crossing.discharge(AUTHENTIC)
        yield from self._taken_back.require(
            MappingProxyType(told), session, issued=lambda: _issued(told)
        )
        crossing.discharge(FRESH)
        return told["sub"]

    def store_debts(self, store: Store | None) -> list[str]:
        """Return what is wrong with the perimeter's store, one sentence each."""
        return self._taken_back.debts(store)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the issuer, asked."""
        issuer = Root(RootKind.PARTY, self.issuer, controller=self.issuer)
        age = self._kept.max_age
        until = "its issuer says so now" if not age else f"its issuer said so at most {age} ago"
        asked = self._taken_back
        until = ", ".join(filter(None, (until, "exp", asked.words)))
        return (
            Proof(AUTHENTIC, f"an opaque token that {self.issuer} was asked about", ways(issuer)),
            Proof(FRESH, until, ways(issuer, CLOCK), asked.where),
        )

    def read(self) -> list[str]:
        """Read the secret; return what is wrong with it."""
        try:
            live = read_all(self._secret)
        except BoundaryError as error:
            return list(error.debts)
        self._live = live[0]
        return []

    def _question(self, token: str) -> tuple[bytes, Lines]:
        if self._live is None:
            raise BoundaryError("OpaqueToken: its secret wasn't read. Start the perimeter.")
        # RFC 6749 §2.3.1: both are form-encoded before they are joined.
        pair = f"{quote_plus(self.client_id)}:{quote_plus(self._live.value)}".encode()
        lines = (
            ("Authorization", "Basic " + base64.b64encode(pair).decode("ascii")),
            ("Accept", "application/json"),
            ("Content-Type", "application/x-www-form-urlencoded"),
        )
        asked = urlencode({"token": token, "token_type_hint": "access_token"})
        return asked.encode("ascii"), lines

    def _require_ours(self, told: Mapping[str, Any]) -> None:
        active = told.get("active")
        if active is False:
            raise TokenRefused("its issuer says that it isn't active", code="inactive_token")
        if active is not True:  # "true", 1: no yes, and no no either
            raise _unavailable("its answer has no boolean active")
        if told.get("iss") != self.issuer:
            raise TokenRefused("its issuer isn't the one that is declared", code="wrong_issuer")
        if not self._is_for_us(told.get("aud")):
            raise TokenRefused("its audience isn't the one that is declared", code="wrong_audience")
        kind = told.get("token_type")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            # Attack: a refresh token is active too, and no access token.
            raise TokenRefused("its token_type isn't Bearer", code="wrong_type")
        if "cnf" in told:
            raise TokenRefused(
                "it is bound to a key of its client, which isn't asked for here",
                code="bound_token",
                hint="RFC 9449 or RFC 8705: as a bearer token it would work for whoever stole it",
            )
        subject = told.get("sub")
        if not isinstance(subject, str) or not subject or not subject.isprintable():
            raise TokenRefused(
                "sub is missing, empty, no text, or has control characters", code="bad_claim"
            )

    def _is_for_us(self, told: object) -> bool:
        listed = cast("list[object]", told) if isinstance(told, list) else [told]
        return all(isinstance(one, str) for one in listed) and any(
            one in self.audience for one in listed
        )

    def _require_in_force(self, told: Mapping[str, Any], at: datetime) -> None:
        now = at.timestamp()
        if now >= seconds_of(told, "exp"):
            raise TokenRefused("it has expired", code="expired_token", obligation=FRESH)
        if "nbf" in told and seconds_of(told, "nbf") > now:
            raise TokenRefused(
                "it isn't in force yet (nbf)", code="not_yet_valid", obligation=FRESH
            )


class _Asking:
    """One question to the issuer, in the form that either driver asks. Answered once."""

    __slots__ = ("_fetch", "_told", "_url", "_what")

    def __init__(self, fetch: Poster, url: str, what: tuple[bytes, Lines]) -> None:
        self._fetch, self._url, self._what = fetch, url, what
        self._told: dict[str, Any] | None = None

    def refresh(self, name: str | None) -> None:  # noqa: ARG002  there is one thing to ask
        content, lines = self._what
        try:
            answer = self._fetch.post(self._url, content=content, fields=lines).value
        except Refused as refused:
            raise _unavailable(f"{refused.detail} [{refused.code}]") from None
        self._read(answer)

    async def arefresh(self, name: str | None) -> None:  # noqa: ARG002  likewise
        content, lines = self._what
        try:
            answer = (await self._fetch.apost(self._url, content=content, fields=lines)).value
        except Refused as refused:
            raise _unavailable(f"{refused.detail} [{refused.code}]") from None
        self._read(answer)

    def told(self) -> dict[str, Any]:
        """Return what was answered."""
        if self._told is None:
            raise _unavailable("nobody asked it")
        return self._told

    def _read(self, answer: Answered) -> None:
        try:
            self._told = object_in(answer)
        except UnusableError as error:
            raise _unavailable(str(error)) from None


class _Kept:
    """Answers of a moment ago: bounded, each with the time of its question."""

    def __init__(self, max_age: timedelta, most: int) -> None:
        self.max_age = max_age
        self._entries = Memo[bytes, tuple[dict[str, Any], datetime]](most)

    def find(self, key: bytes, at: datetime) -> dict[str, Any] | None:
        found = self._entries.get(key)
        # A clock that goes back would stretch the age: then ask anew.
        if found is None or not _ZERO <= at - found[1] < self.max_age:
            return None
        return found[0]

    def keep(self, key: bytes, told: dict[str, Any], at: datetime) -> None:
        if self.max_age > _ZERO:
            self._entries.keep(key, (told, at))


def _issued(told: Mapping[str, Any]) -> Issued:
    name = told.get("jti")
    return Issued(
        told["iss"],
        told["sub"],
        name if isinstance(name, str) else None,
        _date(told, "iat") if "iat" in told else None,
        _date(told, "exp"),
    )


def _date(told: Mapping[str, Any], name: str) -> datetime:
    return datetime.fromtimestamp(seconds_of(told, name), UTC)


def _unavailable(why: str) -> Refused:
    return Refused(
        AUTHENTIC,
        f"the issuer doesn't say whether the token is in force: {why}",
        code="introspection_unavailable",
        hint="nothing was believed; look at the issuer's endpoint and at our credential",
        answer=Answer.RETRY,
    )
