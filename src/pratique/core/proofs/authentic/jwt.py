"""Who says this token's subject is who, for whom, until when? One policy for one kind of token."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import msgspec

from pratique.core.obligation import FRESH
from pratique.core.refusal import BoundaryError

from .algorithm import ALGORITHMS
from .jws import Opener, TokenRefused, claims_of, media_type
from .key import Keys, KeySet, KeySource, key_source
from .numeric_date import seconds_of
from .strict_json import frozen

MAX_LEEWAY: Final = timedelta(minutes=5)
"""RFC 7519 §4.1.4: "usually no more than a few minutes"."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO: Final = timedelta(0)


class JwtClaims(Mapping[str, Any]):
    """The claims set of a token that was verified, read-only.

    `claims["name"]` is any claim; a list comes as a tuple, an object as a read-only mapping. What a
    token says of roles and tenants was so when it was made: load them from your own state.
    """

    __slots__ = ("_members",)

    def __init__(self, members: dict[str, Any]) -> None:
        self._members = members

    @property
    def subject(self) -> str:
        """Return `sub`: text without control characters, never empty."""
        subject: str = self._members["sub"]
        return subject

    @property
    def issuer(self) -> str:
        """Return `iss`."""
        return cast("str", self._members["iss"])

    @property
    def audience(self) -> tuple[str, ...]:
        """Return every `aud`."""
        aud: str | list[str] = self._members["aud"]
        return (aud,) if isinstance(aud, str) else tuple(aud)

    @property
    def expires_at(self) -> datetime:
        """Return `exp`, UTC."""
        return _EPOCH + timedelta(seconds=self._members["exp"])

    @property
    def issued_at(self) -> datetime | None:
        """Return `iat`, UTC; None where the token doesn't say."""
        iat: float | None = self._members.get("iat")
        return None if iat is None else _EPOCH + timedelta(seconds=iat)

    @property
    def id(self) -> str | None:
        """Return `jti`; None where the token has none."""
        return self._members.get("jti")

    @property
    def scope(self) -> frozenset[str]:
        """Return the words of `scope`; empty where the token has none. Source: RFC 8693 §4.2."""
        scope: str | list[str] = self._members.get("scope", "")
        return frozenset(scope.split(" ") if isinstance(scope, str) else scope) - {""}

    def __getitem__(self, name: str) -> Any:
        return frozen(self._members[name])

    def __contains__(self, name: object) -> bool:
        return name in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __repr__(self) -> str:
        """Return the number of claims alone."""
        return f"JwtClaims({len(self._members)} claims)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenPolicy:
    """What a token must be to be believed: one issuer, one audience, one kind.

    Args:
        issuer: `iss`, compared whole.
        audience: Who we are: one of the token's `aud` must be it, or one of a tuple of ours.
        algorithms: Those that the issuer signs in; ("RS256",). A key serves those of its kind.
        type: `typ` in the header; "at+jwt" for access tokens of RFC 9068. "JWT" only where the
            issuer writes no better: its ID tokens then look the same, and only the audience parts
            them.
        keys: JWK dict, JWKS dict, PEM, the bytes of an HMAC secret, a `KeySet` or a `KeySource`.
        leeway: How far the clocks may differ, 0 to 5 minutes. Seconds; it stretches every date.
        lead: How far the issuer's clock alone may be ahead of ours, 0 to 5 minutes: it stretches
            `nbf` and a future `iat`, and no token lives longer for it. *leeway* where that is more.
        max_age: Longest time since `iat`, which is then owed; None: `exp` alone ends it.

    Raises:
        BoundaryError: one of them is empty, unknown, weak, or no key can serve the algorithms.

    Source: RFC 8725 §3; RFC 9068 §4; RFC 7519 §7.2.
    """

    issuer: str
    audience: str | tuple[str, ...]
    algorithms: tuple[str, ...]
    type: str
    keys: Keys = field(repr=False)
    leeway: timedelta = _ZERO
    lead: timedelta = _ZERO
    max_age: timedelta | None = None
    source: KeySource = field(init=False, repr=False)
    """Where its keys come from."""
    fingerprint: bytes = field(init=False, repr=False)
    _audiences: frozenset[str] = field(init=False, repr=False)
    _opener: Opener = field(init=False, repr=False)
    _typ: str = field(init=False, repr=False)
    _leeway: float = field(init=False, repr=False)
    _lead: float = field(init=False, repr=False)
    _max_age: float | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        source, debts = _source_of(self.keys)
        debts += [*_text_debts(self), *_algorithm_debts(self.algorithms, source)]
        debts += _time_debts(self.leeway, self.lead, self.max_age)
        if debts or source is None:
            raise BoundaryError(*debts)
        told = frozenset([self.audience] if isinstance(self.audience, str) else self.audience)
        leeway = self.leeway.total_seconds()
        lead = max(leeway, self.lead.total_seconds())
        max_age = None if self.max_age is None else self.max_age.total_seconds()
        typ, algorithms = media_type(self.type), frozenset(self.algorithms)
        facts = [self.issuer, sorted(told), sorted(algorithms), typ, leeway, lead, max_age]
        for name, value in {
            "keys": source,  # what was handed in may be a secret: it isn't kept
            "source": source,
            "fingerprint": hashlib.sha256(msgspec.json.encode(facts)).digest(),
            "_audiences": told,
            "_opener": Opener(source, algorithms),
            "_typ": typ,
            "_leeway": leeway,
            "_lead": lead,
            "_max_age": max_age,
        }.items():
            object.__setattr__(self, name, value)

    def read(self, token: str, *, at: datetime) -> JwtClaims:
        """Do what `verify_token` does."""
        heading, payload = self._opener.open(token)
        if heading.type != self._typ:
            raise TokenRefused(
                f"its typ isn't {self.type}, the one of this policy",
                code="wrong_type",
                hint="another kind of token of the same issuer was sent: an ID token, a refresh "
                "token",
            )
        members = claims_of(payload)
        self._require_parties(members)
        self._require_dates(members, at)
        return JwtClaims(members)

    def ends_at(self, claims: JwtClaims) -> float:
        """Return until when claims are in force that this policy has verified.

        Seconds since 1970; from then on they are to be verified anew. A date that has begun stays
        begun, so that nothing else ends them.
        """
        ends_at = seconds_of(claims, "exp")
        if self._max_age is not None:
            ends_at = min(ends_at, seconds_of(claims, "iat") + self._max_age)
        return ends_at + self._leeway

    def _require_parties(self, members: dict[str, Any]) -> None:
        get = members.get
        if get("iss") != self.issuer:
            raise TokenRefused(f"its issuer isn't {self.issuer}", code="wrong_issuer")
        if not _is_for(get("aud"), self._audiences):
            raise TokenRefused(
                f"its audience isn't {' or '.join(sorted(self._audiences))}",
                code="wrong_audience",
                hint="it was made for another service, which must not pass it on",
            )
        subject, scope = get("sub"), get("scope", "")
        # Attack: "svc:admin\0.example" is two subjects to two readers (CWE-158).
        if type(subject) is not str or not subject or not subject.isprintable():
            raise _bad_claim("sub is missing, empty, no text, or has control characters")
        if "jti" in members and (type(members["jti"]) is not str or not members["jti"]):
            raise _bad_claim("jti is no text, or empty")
        if type(scope) is not str and not _is_texts(scope):
            raise _bad_claim("scope is neither text nor a list of texts")

    def _require_dates(self, members: Mapping[str, Any], at: datetime) -> None:
        now, leeway, lead = seconds_since_1970(at), self._leeway, self._lead
        if now >= seconds_of(members, "exp") + leeway:
            raise TokenRefused("it has expired", code="expired_token", obligation=FRESH)
        if "nbf" in members and seconds_of(members, "nbf") > now + lead:
            raise TokenRefused(
                "it isn't in force yet (nbf)", code="not_yet_valid", obligation=FRESH
            )
        if "iat" in members or self._max_age is not None:
            age = now - seconds_of(members, "iat")
            if age < -lead:
                raise TokenRefused(
                    f"it was issued {-age:.0f} s from now, at most {lead:.0f} s are allowed",
                    code="from_the_future",
                    obligation=FRESH,
                    hint="compare this host's clock with the issuer's; leeway= allows for both",
                )
            if self._max_age is not None and age > self._max_age + leeway:
                raise TokenRefused(
                    f"it was issued {age:.0f} s ago, at most {self._max_age:.0f} s are allowed",
                    code="stale",
                    obligation=FRESH,
                )


def verify_token(token: str, policy: TokenPolicy, *, at: datetime) -> JwtClaims:
    """Return the claims of a token that is signed, of the policy's kind, and in force.

    `iss`, `aud`, `sub` and `exp` are always owed; `nbf`, `iat`, `jti` and `scope` are checked where
    they come. Every refusal looks the same to the caller.

    A token's text is no name for it: ECDSA has two signatures for one content, and an issuer may
    sign the same claims twice. What may be used once is told by `jti`, never by a digest.

    Args:
        token: A JWT in compact serialization, at most 16384 bytes.
        policy: What it must be.
        at: When it reached us. UTC; a time without a zone is a TypeError.

    Raises:
        Refused: AUTHENTIC for form, key, signature, type, issuer, audience, subject; FRESH for
            dates. Status 401.

    Source: RFC 7519 §7.2; RFC 8725 §3; RFC 9068 §4.
    """
    return policy.read(token, at=at)


def seconds_since_1970(at: datetime) -> float:
    """Return a time as a token says it. TypeError: it has no zone."""
    # The difference: a naive time beside an aware one is a TypeError, never a guessed zone.
    return (at - _EPOCH).total_seconds()


def _is_for(told: Any, ours: frozenset[str]) -> bool:
    if type(told) is str:
        return told in ours
    return _is_texts(told) and not ours.isdisjoint(cast("list[str]", told))


def _is_texts(value: Any) -> bool:
    items: Any = value
    return type(value) is list and all(type(one) is str for one in items)


def _bad_claim(why: str) -> TokenRefused:
    return TokenRefused(why, code="bad_claim")


def _source_of(keys: Keys) -> tuple[KeySource | None, list[str]]:
    try:
        return key_source(keys), []
    except BoundaryError as error:
        return None, list(error.debts)


def _text_debts(policy: TokenPolicy) -> Iterator[str]:
    for name in ("issuer", "type"):
        value: object = getattr(policy, name)
        if not isinstance(value, str) or not value.strip():
            yield f"TokenPolicy({name}=) is empty or no text. Name the one that tokens must have."
    told: object = policy.audience
    audiences = (told,) if isinstance(told, str) else told
    if (
        not isinstance(audiences, tuple)
        or not audiences
        or not all(isinstance(one, str) and one.strip() for one in cast("tuple[Any]", audiences))
    ):
        yield "TokenPolicy(audience=) is empty or no text. Name the one that this service has."


def _algorithm_debts(algorithms: object, source: KeySource | None) -> Iterator[str]:
    if not isinstance(algorithms, tuple | list | set | frozenset) or not algorithms:
        yield 'TokenPolicy(algorithms=) is empty or no tuple. Name them: ("RS256",).'
        return
    names = cast("tuple[Any]", algorithms)
    if not all(isinstance(name, str) and name in ALGORITHMS for name in names):
        yield f"TokenPolicy(algorithms=) names one that is none of {', '.join(sorted(ALGORITHMS))}."
        return
    if isinstance(source, KeySet):
        served = [key for key in source.keys if not key.algorithms.isdisjoint(names)]
        if not served:
            known = sorted({name for key in source.keys for name in key.algorithms})
            yield (
                f"TokenPolicy(keys=) has no key that can serve {', '.join(sorted(names))} "
                f"(algorithms=): its keys serve {', '.join(known) or 'none'}."
            )
        for key in served:
            if key.weakness is not None:
                yield f"TokenPolicy(keys=) has an HMAC secret that {key.weakness}."


def _time_debts(leeway: object, lead: object, max_age: object) -> Iterator[str]:
    for name, span in (("leeway", leeway), ("lead", lead)):
        if not isinstance(span, timedelta) or not _ZERO <= span <= MAX_LEEWAY:
            yield f"TokenPolicy({name}=) is a timedelta of 0 to 5 minutes."
    if max_age is not None and (not isinstance(max_age, timedelta) or max_age <= _ZERO):
        yield "TokenPolicy(max_age=) is a timedelta above zero, or None."
