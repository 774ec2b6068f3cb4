"""For which user a service calls: a transaction token, bound to caller, action and object."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, cast

import msgspec

from pratique.core.access import FORBIDDEN, OF_THE_STORE
from pratique.core.boundary import Proof
from pratique.core.claim import Claim
from pratique.core.key import TOKENS, prefixed
from pratique.core.obligation import ALLOWED, AUTHENTIC, FRESH, LINKED
from pratique.core.proofs.authentic.base64url import decode
from pratique.core.proofs.authentic.jws import MAX_TOKEN_BYTES, TokenRefused
from pratique.core.proofs.authentic.jwt import JwtClaims, TokenPolicy
from pratique.core.proofs.authentic.key import Keys, KeySet
from pratique.core.proofs.authentic.presented import issued, presented
from pratique.core.proofs.revocation import Revoked, TakenBack
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import CLOCK, Root, RootKind, ways
from pratique.core.store import Store

FIELD: Final = "Txn-Token"
TYPE: Final = "txntoken+jwt"
MAX_AGE: Final = timedelta(seconds=300)
LEAD: Final = timedelta(seconds=5)
MAX_LEAD: Final = timedelta(seconds=60)
ANYBODY: Final = "*"


class _Named(msgspec.Struct):
    iss: str = ""


_issuer_of: Final = msgspec.json.Decoder(_Named).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Minter:
    """Who may say for which user a call is, and for which actions.

    Args:
        issuer: Its `iss`: "https://gateway.shop.example".
        keys: Its own: a JWKS dict, a JWK, a PEM, or a source of them. Never another minter's.
        scopes: The actions for which it may mint.
        subjects: The users that it may name: a prefix that ends in a sign, "customer:"; or
            `ANYBODY`.
        algorithms: In which it signs.
    """

    issuer: str
    keys: Keys = field(repr=False)
    scopes: Collection[str]
    subjects: str
    algorithms: tuple[str, ...] = ("EdDSA",)

    def may_name(self, subject: str) -> bool:
        """Say whether it may mint for a subject."""
        return self.subjects == ANYBODY or subject.startswith(self.subjects)


class Context(msgspec.Struct, frozen=True):
    """What a transaction token says, proven for one caller, action and object.

    Attributes:
        subject: The user.
        transaction: `txn`: the same in every token of one transaction.
        jwt_claims: All of them.
    """

    subject: str
    transaction: str
    jwt_claims: JwtClaims


class TransactionToken:
    """Reads the field Txn-Token.

    Args:
        trust_domain: Its `aud`: "shop.example".
        minters: Who may mint. A thief of one minter's key names the users and actions of that one.
        bound_claim: Which member of `tctx` says what object the token is about: an action on an
            object owes it, equal to the key in the path.
        max_age: Longest time since it was minted, at most 5 minutes. It is no session.
        lead: How far a minter's clock may be ahead of ours, 0 to 60 s. No token lives longer for
            it. Without any, each call for which a clock ahead mints is refused.
        revoked: `stores.revocations(…)`, or (jwt_claims[, session]) -> whether it was taken back.
            Left out, a token lives until its `exp`.

    Raises:
        BoundaryError: a limit out of its bounds, no minter, two of one issuer or with one key, a
            minter without actions or users, with a shared secret, or with a prefix that ends in the
            middle of a word.

    Source: IETF draft-ietf-oauth-transaction-tokens; guide §6; CWE-441.
    """

    def __init__(
        self,
        trust_domain: str,
        *,
        minters: Sequence[Minter],
        bound_claim: str = "object",
        max_age: timedelta = MAX_AGE,
        lead: timedelta = LEAD,
        revoked: Revoked = None,
    ) -> None:
        if not minters or len({m.issuer for m in minters}) != len(minters):
            raise BoundaryError("TransactionToken(minters=…) names one minter at least, each once.")
        if not bound_claim:
            raise BoundaryError("TransactionToken(bound_claim=…) names a member of tctx.")
        if not timedelta(0) < max_age <= MAX_AGE:
            raise BoundaryError("TransactionToken(max_age=…) is above zero and at most 5 minutes.")
        if not timedelta(0) <= lead <= MAX_LEAD:
            raise BoundaryError("TransactionToken(lead=…) is 0 to 60 seconds.")
        for minter in minters:
            _require_bounds(minter)
        own = [replace(minter, scopes=frozenset(minter.scopes)) for minter in minters]
        self.trust_domain, self.bound_claim = trust_domain, bound_claim
        self._taken_back = TakenBack.of(revoked)
        self._minters = {
            minter.issuer: (
                minter,
                TokenPolicy(
                    issuer=minter.issuer,
                    audience=trust_domain,
                    algorithms=minter.algorithms,
                    type=TYPE,
                    keys=minter.keys,
                    max_age=max_age,
                    lead=lead,
                ),
            )
            for minter in own
        }
        _require_own_keys([policy for _, policy in self._minters.values()])

    def prove(self, claim: Claim, *, caller: str, scope: str, key: str | None) -> Flow[Context]:
        """Return for whom a proven caller calls.

        Args:
            claim: With the field.
            caller: Who calls, proven.
            scope: The action.
            key: Which object the request is about; None for an action without one.

        Raises:
            Refused: AUTHENTIC, code "no_token", "unknown_minter" and what `verify_token` refuses;
                FRESH for its dates, code "revoked", "not_revocable"; LINKED, code
                "token_of_another_caller", "token_for_another_action", "token_for_another_object"
                (403); ALLOWED, code "minter_may_not" (403).
        """
        token = claim.fields.one(FIELD)
        if not token:
            raise TokenRefused(f"no field {FIELD} came", code="no_token")
        minter, policy = self._minter_of(token)
        claims = yield from presented(token, policy, claim)
        self._require_bound(claims, caller=caller, scope=scope, key=key)
        if scope not in minter.scopes or not minter.may_name(claims.subject):
            raise Refused(
                ALLOWED,
                f"{minter.issuer} may not mint for this user or action",
                code="minter_may_not",
                hint="a minter that was taken over, or Minter(scopes=…, subjects=…) is too narrow",
                status=FORBIDDEN,
            )
        # Last: what is refused without asking anybody is refused first.
        yield from self._taken_back.require(claims, OF_THE_STORE, issued=lambda: issued(claims))
        return Context(claims.subject, str(claims["txn"]), claims)

    def store_debts(self, store: Store | None) -> list[str]:
        """Return what is wrong with the perimeter's store, one sentence each."""
        return self._taken_back.debts(store)

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: each minter for its own users and actions."""
        parties = [Root(RootKind.PARTY, name, controller=name) for name in self._minters]
        either = tuple(frozenset({party}) for party in parties)
        words = f"a transaction token of {', '.join(self._minters)}, bound to caller and action"
        asked, clocked = self._taken_back, tuple(way | ways(CLOCK)[0] for way in either)
        until = ", ".join(filter(None, ("exp and iat of the token", asked.words)))
        return (
            Proof(AUTHENTIC, words, either),
            Proof(FRESH, until, clocked, asked.where),
        )

    def _minter_of(self, token: str) -> tuple[Minter, TokenPolicy]:
        # Not believed: it only says whose key is tried, and the policy then owes that very issuer.
        try:
            named = _issuer_of(decode(token[:MAX_TOKEN_BYTES].split(".")[1].encode("ascii"))).iss
        except (IndexError, ValueError, RecursionError):
            raise TokenRefused("it isn't a token", code="malformed_token") from None
        found = self._minters.get(named)
        if found is None:
            raise TokenRefused("no declared minter made it", code="unknown_minter")
        return found

    def _require_bound(
        self, claims: JwtClaims, *, caller: str, scope: str, key: str | None
    ) -> None:
        if not isinstance(claims.get("txn"), str) or not claims["txn"]:
            raise TokenRefused("txn is missing", code="bad_claim")
        if claims.get("req_wl") != caller:
            raise _not_bound("caller", "it was minted for another workload (req_wl)")
        if scope not in claims.scope:
            raise _not_bound("action", f"its scope doesn't have {scope}")
        context: Any = claims.get("tctx")
        bound: Any = None
        if isinstance(context, Mapping):
            bound = cast("Mapping[str, Any]", context).get(self.bound_claim)
        # "10" and 10 are two objects to two readers: the token has the text that the path has.
        if key is not None and (type(bound) is not str or bound != key):
            what = f"tctx.{self.bound_claim}"
            if bound is None:
                raise _not_bound(
                    "object", f"it has no {what}: mint it about={{{self.bound_claim!r}: …}}"
                )
            raise _not_bound("object", f"its {what} isn't the text of the object asked for")


def _require_bounds(minter: Minter) -> None:
    """Refuse a minter for everything, or for users whom nobody meant."""
    if isinstance(minter.scopes, str) or not minter.scopes or not minter.subjects:
        raise BoundaryError(f"Minter({minter.issuer!r}) names no action, or no users, to mint for.")
    if any(str(name).startswith("HS") for name in minter.algorithms):
        raise BoundaryError(
            f"Minter({minter.issuer!r}) signs with a secret that each service that verifies has "
            "too, and could mint with. Let it sign in EdDSA or ES256."
        )
    if minter.subjects != ANYBODY and minter.subjects[-1].isalnum():
        # "customer" is the beginning of "customer-service:9" too.
        raise BoundaryError(
            f"Minter({minter.issuer!r}, subjects={minter.subjects!r}) ends in the middle of a "
            f'word. End it where the name begins: "{minter.subjects}:".'
        )


def _require_own_keys(policies: Sequence[TokenPolicy]) -> None:
    """Refuse two minters with one key: its thief mints for both."""
    seen: dict[bytes, str] = {}
    for policy in policies:
        source = policy.source
        for key in source.keys if isinstance(source, KeySet) else ():
            known = seen.setdefault(key.fingerprint, policy.issuer)
            if known != policy.issuer:
                raise BoundaryError(
                    f"Minter({policy.issuer!r}) has a key of Minter({known!r}). "
                    "Each minter has its own: who takes one over mints for its users alone."
                )


def token_key(context: Context) -> bytes:
    """Return the key under which a token is used once: its issuer and its `jti`.

    Raises:
        Refused: AUTHENTIC, code "bad_claim": it has none.

    Source: RFC 7519 §4.1.7; CWE-294.
    """
    claims = context.jwt_claims
    if not claims.id:
        raise TokenRefused("jti is missing, and a one-time action owes it", code="bad_claim")
    return prefixed(TOKENS, claims.issuer.encode(), claims.id.encode())


def _not_bound(what: str, detail: str) -> Refused:
    codes = {
        "caller": "token_of_another_caller",
        "action": "token_for_another_action",
        "object": "token_for_another_object",
    }
    return Refused(
        LINKED,
        detail,
        code=codes[what],
        hint="let the caller have a token minted for this call",
        status=FORBIDDEN,
    )
