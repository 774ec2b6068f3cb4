"""The webhook boundary: provider → handler. It owes all seven obligations."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any, ClassVar, Final

import msgspec

from pratique.core.boundary import Boundary, Declaration, Receipt
from pratique.core.callback import Callback
from pratique.core.claim import Claim
from pratique.core.crossing import Crossing
from pratique.core.inbox import Taken
from pratique.core.obligation import ALLOWED, AUTHENTIC, BIT, CONFIRMED, FRESH, VALID, Obligation
from pratique.core.proven import Admitted
from pratique.core.question import Confirm, Flow, Hand, Refresh
from pratique.core.refusal import Answer, BoundaryError, Refused, too_large
from pratique.core.secret import LiveSecret
from pratique.core.settling import Rule, settle
from pratique.core.store import Store
from pratique.core.threads import Pool
from pratique.core.waiver import Observe, Waiver

from .content import typed_content
from .debts import MENDS, never_waived, registration_debts
from .event import Event
from .facts import Facts
from .handshake import acknowledged, answered, asked, taker
from .inbox import Inbox, Noting, inbox_debts, keeping, received, told
from .kept import Kept
from .key import event_key
from .measured import Measured
from .named_key import KeyWanted
from .on import On
from .opened import Envelope, Opened
from .rules import Context, Registration
from .sender import Sender
from .worker import Worker
from .working import excused_now, kept_rule, require_still_waived

MAX_CONTENT_BYTES: Final = 1 << 20
"""Stripe and Slack stay under 256 KiB; GitHub says 25 MiB of itself: raise it there."""
MOST_SHOWN: Final = 10
"""Declared types in the hint for an event of another one."""


class Webhook(On, Measured, Boundary, Kept):
    """A provider's deliveries to one endpoint.

    Args:
        name: In events, metrics and reports.
        sender: `providers.stripe(secrets=…)`.
        scope: Part of every single-use key. Set it where two boundaries of one scheme share a
            store; once in use, keep it: a new scope forgets what was handled.
        max_content_bytes: Larger deliveries get 413 before they are read.
        waivers: For every event type; see `pratique.unsafe.waive`.
        observe: See `pratique.unsafe.observe`.
        independent_roots: How many controllers must fall before somebody can invent a claim.
        inbox: Keep each delivery and answer 202 at once; workers do the rest.
    """

    kind: ClassVar[str] = "webhook"
    owes: ClassVar[frozenset[Obligation]] = frozenset(Obligation)
    can_go_without: ClassVar[frozenset[Obligation]] = frozenset({CONFIRMED, ALLOWED})

    def __init__(
        self,
        name: str,
        sender: Sender,
        *,
        scope: str = "",
        max_content_bytes: int = MAX_CONTENT_BYTES,
        waivers: Sequence[Waiver] = (),
        observe: Observe | None = None,
        independent_roots: int = 1,
        inbox: Inbox | None = None,
    ) -> None:
        super().__init__(
            name,
            origin=f"{sender.scheme.party}, by webhook",
            observe=observe,
            independent_roots=independent_roots,
        )
        self.sender = sender
        self.scope = scope
        self.max_content_bytes = max_content_bytes
        self.waivers = tuple(waivers)
        self._registered: list[Registration] = []
        self._live: tuple[LiveSecret, ...] = ()
        self._store: Store | None = None
        self._rules: dict[str, tuple[Rule, msgspec.json.Decoder[Any] | None]] = {}
        self._open: Any = None
        self._is_transactional = True
        self.receipt = sender.scheme.receipt
        self._authentic = BIT[AUTHENTIC] if sender.scheme.proves else 0
        self._fresh = BIT[FRESH] if sender.scheme.signed_time else 0
        handshake = sender.scheme.handshake
        self.takes_get = handshake is not None and handshake.by_get
        self.inbox = inbox
        self._tell = told(inbox.tell, name) if inbox is not None else None
        self._put: Callback | None = None
        self._threads = Pool()
        self._workers: list[Worker] = []

    def register(self, registration: Registration) -> None:
        """Add what one `on(…)` declares.

        Raises:
            BoundaryError: the boundary has started, or a type has a handler already.
        """
        if self._open is not None:
            first = registration.types[0]
            raise BoundaryError(f'Boundary "{self.name}": on({first!r}) comes after the start.')
        taken = {name for other in self._registered for name in other.types} & set(
            registration.types
        )
        if taken:
            message = f'Boundary "{self.name}": {", ".join(sorted(taken))} has two handlers.'
            raise BoundaryError(message)
        self._registered.append(registration)

    @property
    def registrations(self) -> tuple[Registration, ...]:
        """Return what each `on(…)` declares."""
        return tuple(self._registered)

    def declarations(self) -> Sequence[Declaration]:
        """Return one declaration for each `on(…)`."""
        context = self._context()
        found = (registration.declaration(context) for registration in self._registered)
        return tuple(found if self.inbox is None else map(_worked_later, found))

    def debts(self, today: date) -> list[str]:
        """Add what is wrong with the use of an unconfirmed sender."""
        vouched = self.sender.scheme.vouched
        found = [] if vouched is None else vouched.debts(today)
        return [*super().debts(today), *(f'Boundary "{self.name}": {each}' for each in found)]

    def exclusive(self) -> dict[str, str]:
        """Return the key space and each live secret: no delivery may open at two boundaries."""
        return self.sender.exclusive(self.scope, self._live)

    def unbreakable(self, obligation: Obligation) -> str:
        """Say why an incident can't do without the obligation; "" where it can."""
        scheme = self.sender.scheme
        if obligation is CONFIRMED and scheme.grade != "signed":
            return f"{scheme.name} is {scheme.grade}, and what it says is believed by nothing else."
        return super().unbreakable(obligation)

    def mend(self, obligation: Obligation) -> str:
        """Say what to pass so that the obligation is discharged."""
        if obligation is Obligation.UNIQUE and self._store is None:
            return "Pass Perimeter(store=stores.…)."
        return MENDS[obligation]

    def instead(self, obligation: Obligation) -> str:
        """Say what can stand in the place of that proof for a time, or that nothing can."""
        return never_waived(obligation, self.sender.scheme) or super().instead(obligation)

    def prepare(self, store: Store | None) -> list[str]:
        """Read the secrets and compile the scheme and every rule."""
        self._store = store
        place = f'Boundary "{self.name}"'
        found = [f"{place}: {debt}" for debt in self._shape_debts(store)]
        try:
            self._live = tuple(self.sender.live())
            self.is_disabled = not self._live
            opener = self.sender.opener(self.scope) if self._live else None
        except BoundaryError as error:
            return [*found, *(f"{place}: {debt}" for debt in error.debts)]
        context = self._context()
        for registration in self._registered:
            entry = (registration.rule(context), registration.decoder())
            self._rules.update(dict.fromkeys(registration.types, entry))
            debt = registration.counterexample_debt()
            if debt is not None:
                found.append(f"{place} {debt}")
        if store is not None:
            self._is_transactional = store.transactional
        if not found:
            self._open = opener
            if self.inbox is not None and store is not None:
                self._put = keeping(store, self._tell)
        return found

    def close(self) -> None:
        """Stop its workers."""
        for worker in self._workers:
            worker.close()
        self._threads.close()

    async def aclose(self) -> None:
        """Stop its workers, on the event loop."""
        for worker in self._workers:
            await worker.aclose()
        self._threads.close()

    def flow(self, crossing: Crossing) -> Flow[Admitted[Any, Any, Any]]:
        """Prove one delivery, all seven obligations in order, and do its effect.

        With an inbox: prove that it is authentic and fresh, and keep it.
        """
        put = self._put
        flow = self._crossing(crossing, None) if put is None else self._receiving(crossing, put)
        return flow if self.receipt is None else self._with_receipt(flow, self.receipt)

    def flow_of_kept(self, crossing: Crossing, taken: Taken) -> Flow[Admitted[Any, Any, Any]]:
        """Prove a kept delivery, all seven obligations in order, and do its effect."""
        if self.perimeter is not None:
            excused_now(crossing, self.perimeter.clock())
        return self._crossing(crossing, taken)

    def _with_receipt(self, flow: Flow[Any], receipt: Receipt) -> Flow[Any]:
        try:
            return (yield from flow)
        except Refused as refused:
            if refused.answer is Answer.ACKNOWLEDGE and not refused.content:
                refused.content, refused.fields["content-type"] = receipt
            raise

    def _receiving(self, crossing: Crossing, put: Callback) -> Flow[Any]:
        noting = Noting(crossing.claim)
        yield from self._opened(crossing, noting.claim)
        delivery = noting.delivery(crossing, self.sender.scheme)
        is_new: bool = yield Hand(put, (delivery,))
        if is_new and self._tell is not None and not self._tell.wants_session:
            # A queue that can't be told loses nothing: the row is there, and `sweep` tells again.
            with suppress(Refused):
                yield Hand(self._tell, (delivery.id,))
        raise received(is_new=is_new)

    def _opened(
        self, crossing: Crossing, claim: Claim
    ) -> Flow[tuple[Opened, Envelope, Rule, msgspec.json.Decoder[Any] | None]]:
        """Discharge `authentic` and `fresh`, and find who handles it."""
        if len(claim.content) > self.max_content_bytes:
            raise too_large(self.max_content_bytes)
        if claim.via.method == "GET" and self.takes_get:
            raise self._answered(claim)
        opened = yield from self._proven(crossing, claim)
        scheme = self.sender.scheme
        self.sender.require_vouched(claim.received_at)
        crossing.key = opened.key
        if scheme.repeats:  # else the second time that a channel is occupied is lost as a replay
            crossing.key = event_key(opened.key, "", opened.moment.encode())
        crossing.secret_name = opened.secret_name
        envelope = opened.envelope
        if envelope is None:
            yield from self._handshake(claim)
            raise Refused(
                VALID,
                self._lacking(),
                code="bad_envelope",
            )
        found = self._rules.get(envelope.type)
        if found is None:
            yield from self._handshake(claim)
            raise Refused(
                VALID,
                "no handler is declared for its type",
                code="ignored",
                hint="on(…) names each type as the sender writes it; "
                f"declared: {self._declared_types()}",
                answer=Answer.ACKNOWLEDGE,
            )
        rule, decoder = found
        crossing.declaration = rule.declaration
        if scheme.signed_key and not envelope.id:
            raise Refused(
                VALID, "the sender signs an id, and this one has none", code="no_event_id"
            )
        return opened, envelope, rule, decoder

    def _proven(self, crossing: Crossing, claim: Claim) -> Flow[Opened]:
        try:
            try:
                opened: Opened = self._open(claim)
            except KeyWanted as wanted:
                yield Refresh(wanted.source, wanted.name)
                opened = self._open(claim)
        except Refused as refused:
            if refused.obligation is not AUTHENTIC and refused.obligation is not VALID:
                # The order is authentic first: whoever is stale did sign.
                crossing.done |= self._authentic
                # Whose it is wasn't read: a stale one that is sent again takes no account's count.
                crossing.principal = (refused.code,)
            raise
        crossing.done |= self._authentic | self._fresh
        crossing.principal = opened.account
        return opened

    def _crossing(self, crossing: Crossing, taken: Taken | None) -> Flow[Admitted[Any, Any, Any]]:
        claim, scheme = crossing.claim, self.sender.scheme
        opened, envelope, rule, decoder = yield from self._opened(crossing, claim)
        if taken is not None:
            require_still_waived(rule.declaration, self.owed_bits, claim, self.started().clock())
            rule = kept_rule(rule, taken) if self._is_transactional else rule
        part = scheme.signed_content
        raw = claim.content if part is None else part(claim)
        content = raw if decoder is None else typed_content(decoder, raw)
        crossing.done |= BIT[VALID]
        event: Event[Any] = Event(
            envelope.id,
            envelope.type,
            opened.account,
            envelope.object_id,
            opened.sent,
            content,
        )
        admitted: Admitted[Any, Any, Any] = yield from settle(
            crossing,
            rule,
            event,
            crossing.key if scheme.has_key else b"",
            is_transactional=self._is_transactional,
        )
        return admitted

    def _handshake(self, claim: Claim) -> Flow[None]:
        """Answer a signed handshake, by what ends the crossing; nothing where it is none."""
        scheme = self.sender.scheme
        facts = Facts(self.sender.url, self.sender.pins)
        if scheme.handshake is None or not scheme.handshake.is_signed:
            return
        if not scheme.handshake.token(claim, facts):
            return
        call = taker(scheme, facts)
        if call is not None:
            token = asked(scheme, claim, facts)
            yield Confirm(Callback.of(call, arguments=1, role=scheme.handshake.hands_to), (token,))
        raise self._answered(claim)

    def _answered(self, claim: Claim) -> Refused:
        scheme = self.sender.scheme
        facts = Facts(self.sender.url, self.sender.pins)
        return acknowledged(scheme, answered(scheme, claim, self._live, facts))

    def _declared_types(self) -> str:
        # Never the event's own: GitHub's isn't even signed, and no text holds what is unproven.
        named = sorted(self._rules)
        return ", ".join(named[:MOST_SHOWN]) + (", …" if len(named) > MOST_SHOWN else "")

    def _lacking(self) -> str:
        if self.sender.scheme.signed_type:
            return "the content hasn't the sender's envelope: JSON with an id and a type"
        return "the field that names the event's type is missing, or holds no plain word"

    def _context(self) -> Context:
        sender = self.sender
        tolerance = sender.tolerance or sender.scheme.tolerance
        return Context(self.name, sender.scheme, self.scope, self._live, self._store, tolerance)

    def _shape_debts(self, store: Store | None) -> Iterable[str]:
        scheme = self.sender.scheme
        if self.max_content_bytes <= 0:
            yield f"max_content_bytes={self.max_content_bytes} admits nothing."
        if self.inbox is not None:
            yield from inbox_debts(
                self.inbox,
                self._tell,
                store,
                grade=scheme.grade,
                observes=self.observe is not None,
                deadline=self.perimeter.deadline if self.perimeter is not None else None,
            )
        for registration in self._registered:
            yield from registration_debts(registration, scheme, store)


def _worked_later(declaration: Declaration) -> Declaration:
    kept = "kept with its signature once it is authentic and fresh; worked later, as of its receipt"
    return replace(declaration, facts={**declaration.facts, "inbox": kept})
