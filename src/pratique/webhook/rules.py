"""What one `on(…)` declares.

Its callables, its content type, and from them its proofs with their roots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

import msgspec

from pratique.core.boundary import Declaration, Proof
from pratique.core.callback import Callback, place_of
from pratique.core.obligation import (
    ALLOWED,
    AUTHENTIC,
    BIT,
    CONFIRMED,
    FRESH,
    LINKED,
    UNIQUE,
    VALID,
)
from pratique.core.roots import CLOCK, OWN_CODE, Root, RootKind, Way, ways
from pratique.core.secret import LiveSecret
from pratique.core.settling import Rule
from pratique.core.store import Store
from pratique.core.waiver import Waiver

from .key import business_key, business_prefix
from .named_key import NO_SECRET
from .scheme import Scheme

OWN_ROWS: Final = Root(RootKind.STORE, "our own rows")
WEB_CA: Final = Root(
    RootKind.CA, "web certificate authorities", controller="any web certificate authority"
)


@dataclass(frozen=True, slots=True)
class Registration:
    """One `on(…)` as it was written. Args as `Webhook.on`."""

    types: tuple[str, ...]
    effect: str
    content: type[Any] | None
    confirm: Callback | None
    once: Callback | None
    link: Callback | None
    allow: Callback | None
    act: Callback
    waivers: tuple[Waiver, ...]
    source: Root | None
    counterexample: Callable[[], tuple[Any, Any]] | None

    def rule(self, context: "Context") -> Rule:
        """Return what the flow needs of it."""
        scheme = context.scheme
        confirming = BIT[CONFIRMED] | (0 if scheme.signed_time else BIT[FRESH])
        if not scheme.proves:
            # What is acted on is what the source says now, whoever asked us to look.
            confirming |= BIT[AUTHENTIC]
        return Rule(
            declaration=self.declaration(context),
            confirm=self.confirm,
            once=self.once,
            link=self.link,
            allow=self.allow,
            act=self.act,
            business=partial(
                business_key, business_prefix(scheme.name, context.scope, self.effect)
            ),
            confirming=confirming,
        )

    def decoder(self) -> "msgspec.json.Decoder[Any] | None":
        """Return the decoder of the typed content, None where it stays bytes."""
        return msgspec.json.Decoder(self.content) if self.content is not None else None

    def declaration(self, context: "Context") -> Declaration:
        """Return what it proves, with the roots on which each proof rests."""
        scheme = context.scheme
        found = [
            context.authentic(self),
            context.fresh(self),
            context.unique(self),
            context.confirmed(self),
        ]
        found += [
            _own(LINKED, "our own row", self.link),
            _own(ALLOWED, "legal from the present state", self.allow),
        ]
        found.append(context.valid(self))
        return Declaration(
            name=" | ".join(self.types),
            proofs=tuple(proof for proof in found if proof is not None),
            waivers=self.waivers,
            effect=self.act.where,
            facts={
                **({"unconfirmed sender": str(scheme.vouched)} if scheme.vouched else {}),
                "outbound": f"its object id ({_ID}) goes to {self.confirm.where}"
                if self.confirm
                else "nothing goes out",
                "forwarded": "no header but the signature's is read"
                if scheme.signed_type
                else "the event type comes from an unsigned field: "
                "it chooses the schema that is tried and proves nothing",
            },
        )

    def counterexample_debt(self) -> str | None:
        """Run `allow` against what it must refuse. Return the debt where it lets it through."""
        if self.counterexample is None or self.allow is None or self.allow.is_async:
            return None
        where = place_of(self.counterexample)
        try:
            pair = self.counterexample()
            extra = (None,) if self.allow.wants_session else ()
            verdict = self.allow.call(*pair, *extra)
        except Exception as error:  # noqa: BLE001  whatever our user's code raises is a debt
            return f"{self.types[0]}: the counterexample ({where}) raised {type(error).__name__}."
        if verdict is True:
            return (
                f"{self.types[0]}: allow ({self.allow.where}) lets its own counterexample "
                f"({where}) through."
            )
        return None


_ID: Final = "letters, digits, _-.: only"


@dataclass(frozen=True, slots=True)
class Context:
    """What all registrations of one webhook boundary share."""

    boundary: str
    scheme: Scheme
    scope: str
    live: tuple[LiveSecret, ...]
    store: Store | None
    tolerance: timedelta

    @property
    def party(self) -> Root:
        """Return the sender."""
        return Root(RootKind.PARTY, self.scheme.party, controller=self.scheme.party)

    def secrets(self) -> tuple[Way, ...]:
        """Return the live secrets: each alone suffices, and each is known to the sender.

        Where the sender names its key, it is whoever answers at the address that is pinned.
        """
        if NO_SECRET in self.live:
            return self._read_from(self.party)
        names = [secret.name for secret in self.live] or ["secret"]
        return ways(
            *(
                Root(
                    RootKind.SECRET,
                    f"{self.boundary}/{name}",
                    controller=self.scheme.party,
                    known_to=(self.party,),
                )
                for name in names
            )
        )

    def authentic(self, registration: Registration) -> Proof | None:
        """Return the proof by signature; below grade "weak" by reading the state at its source."""
        if not self.scheme.proves:
            if registration.confirm is None:
                return None
            method = (
                f"{self.scheme.name} is {self.scheme.grade}: it says that something happened, and "
                "what is acted on is read at its source at the crossing"
            )
            return Proof(AUTHENTIC, method, self._source(registration), registration.confirm.where)
        return Proof(
            AUTHENTIC,
            f"{self.scheme.name} signature over {', '.join(self.scheme.binds)}",
            self.secrets(),
        )

    def fresh(self, registration: Registration) -> Proof | None:
        """Return the proof by signed time, else by reading the state at its source now."""
        if self.scheme.signed_time:
            seconds = int(self.tolerance.total_seconds())
            return Proof(
                FRESH,
                f"signed time, age and lead at most {seconds} s",
                (*self.secrets(), *ways(CLOCK)),
            )
        if registration.confirm is None:
            return None
        method = (
            "no time is signed: the state is read at its source at the crossing, "
            "and the key is used once for good"
        )
        return Proof(FRESH, method, self._source(registration), registration.confirm.where)

    def unique(self, registration: Registration) -> Proof | None:
        """Return the proof by single use of the signed key and the business key.

        None without a business key.
        """
        if registration.once is None or self.store is None:
            return None
        signed = "signed id" if self.scheme.signed_key else "digest of the signed content"
        signed += " and time" if self.scheme.repeats else ""
        what = f"the {signed} and of the business key"
        if not self.scheme.has_key:
            what = "the business key alone, once it is confirmed"
        kept = (
            "in the effect's transaction"
            if self.store.transactional
            else "held for a lease around the effect"
        )
        method = f"single use of {what}, {kept}, {self.store.name}"
        return Proof(UNIQUE, method, ways(*self.store.roots), registration.once.where)

    def confirmed(self, registration: Registration) -> Proof | None:
        """Return the proof by pull."""
        if registration.confirm is None:
            return None
        source = registration.source or self.party
        return Proof(
            CONFIRMED,
            f"re-read at {source.name}",
            self._source(registration),
            registration.confirm.where,
        )

    def valid(self, registration: Registration) -> Proof | None:
        """Return the proof by schema.

        None where an unsigned type would choose a handler without one.
        """
        if registration.content is not None:
            return Proof(
                VALID,
                f"{self.scheme.name} envelope and {registration.content.__name__}",
                ways(OWN_CODE),
            )
        if not self.scheme.signed_type:
            return None
        return Proof(VALID, f"{self.scheme.name} envelope: id, type, object id", ways(OWN_CODE))

    def _source(self, registration: Registration) -> tuple[Way, ...]:
        return self._read_from(registration.source or self.party)

    def _read_from(self, source: Root) -> tuple[Way, ...]:
        dns = Root(RootKind.DNS, f"zone of {source.name}", controller=source.controller)
        return (*ways(source, OWN_CODE), frozenset((dns, WEB_CA)))


def _own(obligation: Any, method: str, callback: Callback | None) -> Proof | None:
    return (
        Proof(obligation, method, ways(OWN_ROWS, OWN_CODE), callback.where)
        if callback is not None
        else None
    )
