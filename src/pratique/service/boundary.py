"""The service boundary: which service calls, for which user, and may they, by our own state."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pratique.core.access import FORBIDDEN
from pratique.core.acting import OWN_STATE, Acting
from pratique.core.action import Action
from pratique.core.boundary import Proof
from pratique.core.crossing import Crossing
from pratique.core.obligation import (
    ALLOWED,
    AUTHENTIC,
    BIT,
    CONFIRMED,
    FRESH,
    LINKED,
    VALID,
    Obligation,
)
from pratique.core.question import Flow
from pratique.core.refusal import Refused
from pratique.core.roots import OWN_CODE, ways
from pratique.core.store import Store
from pratique.core.waiver import Observe, Waiver

from .caller import AskingProof, CallerProof, ForwardedCertificate
from .claimed import FORWARDED
from .context import FIELD, TransactionToken, token_key
from .unsigned import refuse_unsigned


class Service(Acting):
    """An internal API, called by other services for users.

    Args:
        name: In events, metrics and reports.
        caller: How the calling service is proven: `mtls(…)`, `forwarded_certificate(…)`,
            `jwt_svid(…)`. It lets each caller ask for the actions that the declaration grants it.
        context: For which user it calls: `TransactionToken(…)`. A header never says that.
        user: (subject[, session]) -> our own user as it is now, or None. See `Acting`.
        policy: (user, verb, object[, session]) -> bool. See `Acting`.
        waivers: For every action; see `pratique.unsafe.waive`.
        observe: See `pratique.unsafe.observe`; its routes are shadowed: `shadow(owned(…))`.

    Raises:
        BoundaryError: `user` or `policy` takes other arguments.

    Source: guide §6; OWASP API1:2023, API5:2023; CWE-441.
    """

    kind: ClassVar[str] = "service"
    owes: ClassVar[frozenset[Obligation]] = frozenset(
        {AUTHENTIC, FRESH, CONFIRMED, LINKED, ALLOWED, VALID}
    )
    loading: ClassVar[int] = BIT[CONFIRMED]

    def __init__(
        self,
        name: str,
        *,
        caller: CallerProof,
        context: TransactionToken,
        user: Callable[..., Any],
        policy: Callable[..., Any],
        waivers: Sequence[Waiver] = (),
        observe: Observe | None = None,
    ) -> None:
        self.caller, self.context = caller, context
        origin = "the user, by the minter of the token; the service that calls"
        super().__init__(
            name, origin=origin, user=user, policy=policy, waivers=waivers, observe=observe
        )
        self.challenge = FIELD
        self.reads_client_certificate = caller.reads_client_certificate
        if isinstance(caller, ForwardedCertificate):
            self.reads_fields = frozenset({FORWARDED})

    def identify(
        self, crossing: Crossing, action: Action, *, key: str, session: object
    ) -> Flow[object]:
        """Return the user for whom a proven service calls.

        Raises:
            Refused: AUTHENTIC, code "unsigned_identity" and what the caller's proof and
                `TransactionToken.prove` refuse; ALLOWED, code "caller_may_not" (403). The token of
                a one-time action works once, and has a `jti`: AUTHENTIC, code "bad_claim".
        """
        _ = session
        claim = crossing.claim
        refuse_unsigned(claim.fields)
        proof = self.caller
        caller = (
            (yield from proof.proving(claim))
            if isinstance(proof, AskingProof)
            else proof.prove(claim)
        )
        if action.name not in caller.scopes:
            raise Refused(
                ALLOWED,
                f"{caller.id[:128]} isn't granted {action.name}",
                code="caller_may_not",
                hint="grant it in allow=, if the caller needs the action",
                status=FORBIDDEN,
            )
        named = key if action.rule.find is not None else None
        context = yield from self.context.prove(
            claim, caller=caller.id, scope=action.name, key=named
        )
        crossing.party = caller.id
        if action.is_one_time:
            crossing.single_use = (token_key(context),)
        crossing.discharge(AUTHENTIC)
        crossing.discharge(FRESH)
        crossing.context = context
        return context.subject

    def prepare(self, store: Store | None) -> list[str]:
        """Let the context look at the store, where it asks there what was taken back."""
        debts = self.context.store_debts(store)
        return super().prepare(store) + [f'Boundary "{self.name}": {debt}' for debt in debts]

    def identity_proofs(self) -> Sequence[Proof]:
        """Return what it rests on: the caller's proof, the minters, our own state."""
        confirmed = "user, role and tenant are read from our own state"
        return (
            self.caller.declared(),
            *self.context.proofs(),
            Proof(CONFIRMED, confirmed, ways(OWN_STATE, OWN_CODE)),
        )
