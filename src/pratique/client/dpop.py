"""Who a client is: proven by an access token, and by a key that it signs each request with."""

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar, Final, cast
from weakref import WeakKeyDictionary

from pratique.core.access import Asker
from pratique.core.boundary import Proof
from pratique.core.callback import Callback
from pratique.core.claim import Fields
from pratique.core.crossing import Crossing
from pratique.core.obligation import AUTHENTIC, FRESH, UNIQUE
from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.dpop import DPoPProof, proof_of, require_bound, verify_proof
from pratique.core.proofs.authentic.dpop_policy import DPoPPolicy, ProofRefused
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.proofs.authentic.presented import presented
from pratique.core.proofs.revocation import Revoked
from pratique.core.question import Flow, Lookup
from pratique.core.refusal import StoreError
from pratique.core.roots import CLOCK, Root, RootKind, ways
from pratique.core.store import Store

from .identity import BearerToken

_NONCE_FIELD: Final = "dpop-nonce"
# RFC 9449 §7.1: credentials = "DPoP" 1*SP token68
_DPOP: Final = re.compile(r"[Dd][Pp][Oo][Pp] +([A-Za-z0-9\-._~+/]+=*)")
# RFC 9449 §8.1: nonce = 1*NQCHAR
_NONCE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,256}")


class DPoPToken(BearerToken):
    """An access token that its issuer bound to a key of the client, with a proof for each request.

    A stolen token is worth nothing without the key, and a stolen proof is worth one request that
    was made already: its use is kept in the perimeter's store. A token that isn't bound, or comes
    by another scheme, is refused.

    Args:
        policy: What a token must be.
        origin: Where clients reach us: "https://api.example". Never taken from `Host`.
        algorithms: Those that a proof may be signed in. Asymmetric ones.
        max_age: How old a proof may be. Seconds, to 5 minutes.
        leeway: How far the client's clock may be ahead. 0 to 60 seconds.
        nonce: () -> the nonces of ours that are in force, the newest first: proofs must have one of
            them, so that none can be made in advance. It may be async. Left out, none is asked for.
        revoked: See `BearerToken`.
        cache: See `BearerToken`. Proof and binding are checked each time.

    Raises:
        BoundaryError: see `DPoPPolicy`; `nonce` or `revoked` takes other arguments.

    Source: RFC 9449 §7.
    """

    challenge: ClassVar[str] = "DPoP"
    needs_store: ClassVar[bool] = True

    def __init__(
        self,
        policy: TokenPolicy,
        *,
        origin: str,
        algorithms: tuple[str, ...] = ("ES256", "EdDSA", "Ed25519"),
        max_age: timedelta = timedelta(seconds=60),
        leeway: timedelta = timedelta(seconds=5),
        nonce: Callable[..., Any] | None = None,
        revoked: Revoked = None,
        cache: TokenCache | None = None,
    ) -> None:
        super().__init__(policy, revoked=revoked, cache=cache)
        self.proof = DPoPPolicy(
            origin=origin, algorithms=algorithms, max_age=max_age, leeway=leeway
        )
        self.binding = f", bound to the key of a DPoP proof for this request at {origin}"
        self._nonce = None if nonce is None else Asker.of(nonce, arguments=0, role="nonce")
        self._seen: WeakKeyDictionary[Fields, bytes] = WeakKeyDictionary()
        self.challenge_parameters = f'algs="{" ".join(algorithms)}"'

    def prove(self, crossing: Crossing, *, session: object) -> Flow[object]:
        """Return the subject of a token whose holder made this request, this once.

        The proof is looked at first: a refusal of it tells nothing of the token.

        Raises:
            Refused: AUTHENTIC, code "no_token"; what `proof_of`, `verify_proof`, `verify_token`,
                `require_bound` and `require_in_force` refuse; UNIQUE, code "replayed_proof" (401).
        """
        claim = crossing.claim
        token = dpop_token(claim.fields)
        proof = proof_of(claim.fields)
        nonces = yield from self._nonces(session)
        with _offering(nonces):
            shown = verify_proof(
                proof,
                self.proof,
                method=claim.via.method,
                target=claim.via.target,
                token=token,
                at=claim.received_at,
                nonces=nonces,
            )
        try:
            claims = yield from presented(token, self.policy, claim, cache=self.cache)
            require_bound(claims.get("cnf"), shown)
            crossing.principal = claims.subject
            crossing.discharge(AUTHENTIC)
            # A view may have several proofs of one request: it came once, and is the same object.
            if self._seen.get(claim.fields) != shown.single_use:
                # Before any question to our own rows: a request's session may lock a small store.
                yield from _require_first_use(crossing, shown)
                self._seen[claim.fields] = shown.single_use
            yield from self.require_in_force(claims, session)
        except TokenRefused as refused:
            refused.error = refused.error or "invalid_token"
            raise
        crossing.discharge(FRESH)
        return claims.subject

    def proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the issuer, which names the key, our clock and our store."""
        authentic, fresh = super().proofs()
        until = f"{fresh.method}; a proof of at most {self.proof.max_age}, used once"
        uses = Root(RootKind.STORE, "used proofs")
        return authentic, Proof(FRESH, until, ways(self.issuer(), CLOCK, uses), fresh.where)

    def _nonces(self, session: object) -> Flow[tuple[str, ...] | None]:
        if self._nonce is None:
            return None
        told: object = yield Lookup(*self._nonce.with_session((), session))
        listed = cast("Sequence[object]", told) if isinstance(told, list | tuple) else ()
        return tuple(one for one in listed if isinstance(one, str) and _NONCE.fullmatch(one))


def dpop_token(fields: Fields) -> str:
    """Return the token of the Authorization field, by the scheme DPoP alone.

    Raises:
        Refused: AUTHENTIC, code "no_token"; VALID, code "duplicate_field".

    Source: RFC 9449 §7.1, §7.2: a bound token by the scheme Bearer is refused.
    """
    found = _DPOP.fullmatch(fields.one("Authorization") or "")
    if found is None:
        raise TokenRefused(
            "no field Authorization: DPoP came",
            code="no_token",
            hint="a token by the scheme Bearer isn't looked at here",
        )
    return found[1]


@contextmanager
def _offering(nonces: tuple[str, ...] | None) -> Generator[None]:
    """Tell whoever comes without a nonce of ours the newest."""
    try:
        yield
    except ProofRefused as refused:
        if refused.code == "wrong_nonce" and nonces:
            refused.fields[_NONCE_FIELD] = nonces[0]
        raise


def _require_first_use(crossing: Crossing, shown: DPoPProof) -> Flow[None]:
    if crossing.observing:  # it uses nothing up
        return
    perimeter = crossing.boundary.perimeter
    store = perimeter.store if perimeter is not None else None
    used: object = yield Lookup(_first_use(store), (shown.single_use, crossing.id))
    if used is not None:
        raise ProofRefused(
            "this proof was used before",
            code="replayed_proof",
            obligation=UNIQUE,
            hint="the client makes a proof for each request, also for one that it repeats; or "
            "somebody reads along",
        )


def _first_use(store: Store | None) -> Callback:
    """Return (key, crossing id) -> the key where it was used before, else None: now it is."""
    sync = store.sync if store is not None else None
    face = store.asynchronous if store is not None else None

    def use(key: bytes, crossing_id: str) -> bytes | None:
        if sync is None:
            message = "no store is declared: Perimeter(store=stores.…)"
            raise StoreError(message)
        return sync.first_use((key,), crossing_id)

    async def use_on_loop(key: bytes, crossing_id: str) -> bytes | None:
        return await face.first_use((key,), crossing_id) if face is not None else key

    # A sync face serves both drivers: the one on the loop asks it on a thread of the pool.
    if sync is None and face is not None:
        return Callback(use_on_loop, is_async=True, wants_session=False, where="the store")
    return Callback(use, is_async=False, wants_session=False, where="the store")
