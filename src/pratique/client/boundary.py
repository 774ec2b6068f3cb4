"""The client boundary: who calls is proven, what they name is looked for among what is theirs."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from pratique.core.acting import Acting
from pratique.core.action import Action
from pratique.core.boundary import Proof
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, AUTHENTIC, FRESH, LINKED, VALID, Obligation
from pratique.core.question import Flow
from pratique.core.store import Store
from pratique.core.waiver import Observe, Waiver

from .identity import AsksOrigin, AsksStore, BearerToken, Identity


class Client(Acting):
    """An API's own clients.

    Args:
        name: In events, metrics and reports.
        identity: How who calls is proven: `SessionCookie`, `BearerToken`, `DPoPToken`,
            `CertificateToken`; `SignIn` before there is a session.
        user: (subject[, session]) -> our own user as it is now, or None. See `Acting`.
        policy: (user, verb, object[, session]) -> bool. See `Acting`.
        waivers: For every action; see `pratique.unsafe.waive`.
        observe: See `pratique.unsafe.observe`; its routes are shadowed: `shadow(owned(…))`.

    Raises:
        BoundaryError: `user` or `policy` takes other arguments.
    """

    kind: ClassVar[str] = "client"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, FRESH, LINKED, ALLOWED, VALID})

    def __init__(
        self,
        name: str,
        *,
        identity: Identity,
        user: Callable[..., Any],
        policy: Callable[..., Any],
        waivers: Sequence[Waiver] = (),
        observe: Observe | None = None,
    ) -> None:
        self.identity = identity
        origin = "whoever calls the API"
        super().__init__(
            name, origin=origin, user=user, policy=policy, waivers=waivers, observe=observe
        )
        self.challenge = identity.challenge
        if isinstance(identity, BearerToken):
            self.challenge = f"{identity.challenge} {identity.challenge_parameters}".strip()
            self.reads_client_certificate = identity.reads_client_certificate

    def identify(
        self, crossing: Crossing, action: Action, *, key: str, session: object
    ) -> Flow[object]:
        """Return whose request it is. See `Identity.prove`.

        Raises:
            Refused: AUTHENTIC, code "cross_site": a GET that changes something is owed its origin.
        """
        _ = key
        if action.changes and isinstance(self.identity, AsksOrigin):
            self.identity.require_origin(crossing.claim)
        return self.identity.prove(crossing, session=session)

    def identity_proofs(self) -> Sequence[Proof]:
        """Return what the identity rests on."""
        return self.identity.proofs()

    def prepare(self, store: Store | None) -> list[str]:
        """Read what the identity needs, and see that there is a store where it needs one."""
        found = super().prepare(store)
        if store is None and isinstance(self.identity, BearerToken) and self.identity.needs_store:
            found.append(
                f'Boundary "{self.name}" takes proofs that work once, and there is no store that '
                "keeps them. Pass one: Perimeter(store=stores.sqlite(path))."
            )
        if isinstance(self.identity, AsksStore):
            found += [f'Boundary "{self.name}": {d}' for d in self.identity.store_debts(store)]
        return found

    def unread(self) -> list[str]:
        """Read what the identity needs."""
        return self.identity.read()
