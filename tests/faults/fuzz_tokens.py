"""Fuzz `verify_token` against two other libraries in their strictest documented use.

    python -m tests.faults.fuzz_tokens --seconds 300

Nothing but `Refused` leaves it, and every token that it lets through, joserfc and PyJWT let through
too and read the same in it. Where one of them refuses for a rule of its own, the rule stands in a
table here with its reason, and is counted.
"""

import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache
from typing import Any
from unittest import mock

import jwt
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt

from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy, verify_token
from pratique.core.refusal import Refused
from tests.faults.figures import Figures, listed, run_by_hand, some
from tests.faults.token_mill import Made, tokens
from tests.tokens import AT, AUDIENCE, ISSUER, NOW, jwk_of, policy

Judge = Callable[[str, TokenPolicy], JwtClaims]
HEADER_OF_RFC_7515 = frozenset(
    "alg jku jwk kid x5u x5c x5t x5t#S256 typ cty crit b64".split()
)  # what joserfc knows


class OtherRefusedError(Exception):
    """Another library doesn't take the token."""


@dataclass
class TokenFigures(Figures):
    """What a run found. `accepted` counts algorithms."""

    stricter: Counter[str] = field(default_factory=Counter)
    """Code of ours, and who took the token all the same."""
    explained: Counter[str] = field(default_factory=Counter)
    """Who refuses what we take, and the rule of theirs."""

    def lines(self) -> Iterator[str]:
        """Yield what was counted, a sentence a line."""
        yield from super().lines()
        yield f"refused by us alone: {listed(self.stricter)}"
        yield f"accepted by us, and refused by a rule of theirs: {listed(self.explained)}"


class _Then(datetime):
    """PyJWT asks the clock itself: here it is the tokens' own time."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:
        return AT.astimezone(tz)


@cache
def _joserfc_key(algorithm: str) -> Any:
    return joserfc_jwk.import_key(jwk_of(algorithm))


@cache
def _pyjwt_key(algorithm: str) -> Any:
    return jwt.PyJWK(jwk_of(algorithm), algorithm)


def by_joserfc(made: Made) -> Mapping[str, Any]:
    """Verify as joserfc's guide has it, with every claim that can be asked for and the type."""
    wanted = joserfc_jwt.JWTClaimsRegistry(
        now=NOW,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        sub={"essential": True},
        exp={"essential": True},
    )
    try:
        key = _joserfc_key(made.algorithm)
        token = joserfc_jwt.decode(made.token, key, algorithms=[made.algorithm])
        wanted.validate(token.claims)
    except Exception as error:  # whatever they raise, they don't take it
        raise OtherRefusedError(f"{type(error).__name__}: {error}") from error
    _require_type(token.header)
    return token.claims


def by_pyjwt(made: Made) -> Mapping[str, Any]:
    """Verify as PyJWT's documentation has it, with every option that refuses more."""
    owed: Any = {"require": ["exp", "iss", "aud", "sub"], "strict_aud": True}
    try:
        with mock.patch("jwt.api_jwt.datetime", _Then):
            found = jwt.decode_complete(
                made.token,
                _pyjwt_key(made.algorithm),
                algorithms=[made.algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                options=owed,
            )
    except Exception as error:  # whatever they raise, they don't take it
        raise OtherRefusedError(f"{type(error).__name__}: {error}") from error
    _require_type(found["header"])
    claims: dict[str, Any] = found["payload"]
    return claims


OTHERS = {"joserfc": by_joserfc, "PyJWT": by_pyjwt}


def _require_type(header: Mapping[str, Any]) -> None:
    """Neither library looks at `typ`: their users compare it."""
    kind = header.get("typ")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") != "at+jwt":
        raise OtherRefusedError("typ")


def rule_of(name: str, claims: JwtClaims, header: Mapping[str, Any]) -> str | None:
    """Return the rule by which that library alone refuses what we take; None where it has none."""
    if name == "joserfc":
        if not header.keys() <= HEADER_OF_RFC_7515:
            return "unknown header members are refused (RFC 7515 §4 has them ignored)"
        if any(not isinstance(header.get(part, ""), str) for part in ("cty", "x5t")):
            return "the type of a header member that we don't use"
    if name == "PyJWT":
        if not isinstance(claims["aud"], str):
            return "strict_aud takes no list (RFC 7519 §4.1.3 has one)"
        if int(claims["exp"]) <= NOW < claims["exp"]:
            return "exp is cut to a whole second (RFC 7519 §2 has fractions)"
    return None


def look(made: Made, found: TokenFigures, judge: Judge | None = None) -> None:
    """Ask us, and then the others."""
    found.tried += 1
    try:
        claims = (judge or _ours)(made.token, _policy(made.algorithm))
    except Refused as refused:
        found.refused[refused.code] += 1
        for name in _takers(made):
            found.stricter[f"{refused.code} ({name})"] += 1
        return
    except Exception:  # that is what is looked for
        found.disagree(f"{made}: {traceback.format_exc(limit=-2)}")
        return
    found.accepted[made.algorithm] += 1
    for name, why in disagreements(made, claims, found):
        found.disagree(f"{name} {why}: {made}")


def disagreements(made: Made, claims: JwtClaims, found: TokenFigures) -> Iterable[tuple[str, str]]:
    """Yield who refuses what we take, or reads it otherwise."""
    header = jwt.get_unverified_header(made.token)
    for name, verify in OTHERS.items():
        try:
            theirs = verify(made)
        except OtherRefusedError as error:
            rule = rule_of(name, claims, header)
            if rule is None:
                yield name, f"refuses it ({error})"
            else:
                found.explained[f"{name}: {rule}"] += 1
            continue
        if thawed(dict(claims)) != theirs:
            yield name, "reads other claims in it"


def thawed(value: Any) -> Any:
    """Return frozen JSON as `json` reads it."""
    if isinstance(value, Mapping):
        return {name: thawed(one) for name, one in value.items()}
    return [thawed(one) for one in value] if isinstance(value, tuple) else value


def _takers(made: Made) -> Iterable[str]:
    for name, verify in OTHERS.items():
        try:
            verify(made)
        except OtherRefusedError:
            continue
        yield name


@cache
def _policy(algorithm: str) -> TokenPolicy:
    return policy(algorithm)


def _ours(token: str, like: TokenPolicy) -> JwtClaims:
    return verify_token(token, like, at=AT)


def run(seed: int, *, count: int | None = None, seconds: float | None = None) -> TokenFigures:
    """Fuzz so many tokens, or for so long."""
    warnings.filterwarnings("ignore", module="joserfc")  # it would rather have Ed25519 than EdDSA
    found = TokenFigures()
    for made in some(tokens(seed), count=count, seconds=seconds):
        look(made, found)
    return found


def main() -> int:
    """Run it by hand."""
    return run_by_hand(
        "tests.faults.fuzz_tokens", __doc__, lambda seed, seconds: run(seed, seconds=seconds)
    )


if __name__ == "__main__":
    sys.exit(main())
