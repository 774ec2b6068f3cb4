"""The partner boundary: what a third party answers is a claim, and the decision stays ours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar, Unpack, cast
from urllib.parse import urlsplit

from pratique.core.boundary import Boundary, Declaration
from pratique.core.crossing import Crossing
from pratique.core.obligation import (
    ALLOWED,
    AUTHENTIC,
    CONFIRMED,
    FRESH,
    LINKED,
    VALID,
    Obligation,
)
from pratique.core.proofs.authentic.rfc9421 import ResponseSignature
from pratique.core.proven import Proven
from pratique.core.question import Flow
from pratique.core.refusal import BoundaryError, Refused
from pratique.core.roots import Root, RootKind
from pratique.core.secret import Secret, read_all
from pratique.core.store import Store
from pratique.core.waiver import Waiver
from pratique.fetch.boundary import Fetch, way_out_debts
from pratique.fetch.gate import gate
from pratique.fetch.policy import FetchPolicy

from .asked import Asked
from .call import Call
from .declared import declaration_of, in_place
from .errand import Errand
from .signed import require_one_hop
from .terms import About, Contract, NoSubject, Terms, contract_of

if TYPE_CHECKING:  # each is an extra of its own
    from .breaker import Breaker
    from .retry import Retry

T = TypeVar("T")
DEADLINE: Final = timedelta(seconds=5)
MAX_WIRE_BYTES: Final = 1_000_000
MAX_CONTENT_BYTES: Final = 4_000_000
_MENDS: Final[dict[Obligation, str]] = {
    Obligation.LINKED: 'Pass about={"field": "what was asked"}, or NoSubject(reason).',
    Obligation.CONFIRMED: "It decides something: pass confirm=, a second source or our own record.",
}
Compared = Callable[[T], bool] | Mapping[str, object] | NoSubject
"""(answer) -> bool; or {field of the answer: our own value}."""


class InPlace(Asked, Terms[T]):
    """A question with its terms, where both are written where it is asked."""


class Partner(Boundary):
    """A third party's API.

    Args:
        name: In events, metrics and reports.
        base: "https://risk.example/v1": every path lies under it.
        bearer: Sent as `Authorization: Bearer …` to this origin alone.
        deadline: Of one question, on the wall clock, over all its attempts.
        policy: Where questions may lead and what an answer may be, where the default doesn't fit:
            this host, https, no redirect, application/json, 1 MB on the wire, 4 MB decoded.
        signature: What the signature of each answer must be (RFC 9421), where the partner signs: a
            further proof of who answers, which a wrong CA or whoever ends the TLS doesn't break.
            A question with content then carries a Content-Digest, to which an answer can be bound.
        retry: `partner.retry.Retry`: how often a question is asked again (extra `stamina`).
        breaker: `partner.breaker.Breaker`: when to leave the partner alone (extra `purgatory`).
        waivers: For every call; see `pratique.unsafe.waive`.

    Raises:
        BoundaryError: the base is none, or not https without a policy that says so, or http with a
            credential; a deadline comes beside a policy, which has its own; a signature beside one
            that redirects.
    """

    kind: ClassVar[str] = "partner"
    owes: ClassVar[frozenset[Obligation]] = frozenset({AUTHENTIC, FRESH, LINKED, ALLOWED, VALID})
    can_go_without: ClassVar[frozenset[Obligation]] = frozenset({CONFIRMED})

    def __init__(  # noqa: PLR0913  a partner has as many facts
        self,
        name: str,
        base: str,
        *,
        bearer: Secret | str | None = None,
        deadline: timedelta | None = None,
        policy: FetchPolicy | None = None,
        signature: ResponseSignature | None = None,
        retry: "Retry | None" = None,
        breaker: "Breaker | None" = None,
        waivers: Sequence[Waiver] = (),
    ) -> None:
        if policy is not None and deadline is not None:
            raise BoundaryError(
                "Partner(deadline=…, policy=…): a policy has its own deadline. "
                "Say it there: FetchPolicy(deadline=…)."
            )
        self.policy = policy or _policy(base, DEADLINE if deadline is None else deadline)
        try:
            target = gate(base, self.policy)
        except Refused as refused:
            raise BoundaryError(f"Partner(base={base!r}): {refused.detail}.") from None
        self.base = target.url.rstrip("/")
        if "?" in self.base:
            raise BoundaryError(f"Partner(base={base!r}) has a query: pass params= with each call.")
        is_ours = self.policy.is_on_this_machine(target.host, target.port)
        if bearer is not None and target.scheme != "https" and not is_ours:
            raise BoundaryError(
                f"Partner(base={base!r}, bearer=…) would send the credential over http, where "
                "anybody in between reads it. Ask over https, or leave bearer= out."
            )
        host = urlsplit(self.base).hostname or ""
        super().__init__(name, origin=f"{host}, which was asked")
        self.party = Root(RootKind.PARTY, host, controller=host)
        require_one_hop(signature, self.policy)
        self.signature = signature
        self.waivers = tuple(waivers)
        self.going_out = Fetch(name, self.policy)
        self._bearer = bearer
        self._calls: list[Call[Any]] = []
        self._errand = Errand(self, retry, breaker)
        self._in_place = in_place(self)

    def call(
        self,
        where: str,
        answer: type[T],
        *,
        about: About[T] | None = None,
        **terms: Unpack[Terms[T]],
    ) -> Call[T]:
        """Declare a question that is asked again and again.

        Args:
            where: "GET /score", "POST /orders/{order}/refund".
            answer: The type of what is answered.
            about: What makes an answer one to this question: {field: name of what was asked}, or
                (answer, asked) -> bool, or `NoSubject`.
            terms: See `Terms`.

        Raises:
            BoundaryError: it is declared after the start, or can't be what it says.
        """
        if self.perimeter is not None and self.perimeter.is_started:
            raise BoundaryError(f'Boundary "{self.name}": call({where!r}) comes after the start.')
        contract = contract_of(answer, about, terms)
        made = Call(
            self._errand, where, contract, lambda name: declaration_of(self, name, contract)
        )
        if made.name in {call.name for call in self._calls}:
            raise BoundaryError(f'Boundary "{self.name}" declares {made.name} twice.')
        self._calls.append(made)
        return made

    def get(
        self, path: str, answer: type[T], *, about: Compared[T], **more: Unpack[InPlace[T]]
    ) -> Proven[T]:
        """Ask with GET, with the terms in place.

        Args:
            path: Under the base; "/orders/{order}" with `values={"order": …}`.
            answer: The type of what is answered.
            about: (answer) -> bool; or {field of the answer: our own value}; or `NoSubject`.
            more: See `Asked` and `Terms`.

        Raises:
            Refused: the question doesn't go out, or the answer isn't believed.
            BoundaryError: the boundary hasn't started, or the call decides something: declare it.
        """
        call, asked, words = self._asking(f"GET {path}", answer, about, more)
        return self._errand.run(call, asked, words=words)

    async def aget(
        self, path: str, answer: type[T], *, about: Compared[T], **more: Unpack[InPlace[T]]
    ) -> Proven[T]:
        """Do the same on the event loop."""
        call, asked, words = self._asking(f"GET {path}", answer, about, more)
        return await self._errand.arun(call, asked, words=words)

    def post(
        self, path: str, answer: type[T], *, about: Compared[T], **more: Unpack[InPlace[T]]
    ) -> Proven[T]:
        """Ask with POST; `content=` is sent as JSON. See `get`."""
        call, asked, words = self._asking(f"POST {path}", answer, about, more)
        return self._errand.run(call, asked, words=words)

    async def apost(
        self, path: str, answer: type[T], *, about: Compared[T], **more: Unpack[InPlace[T]]
    ) -> Proven[T]:
        """Do the same on the event loop."""
        call, asked, words = self._asking(f"POST {path}", answer, about, more)
        return await self._errand.arun(call, asked, words=words)

    def declarations(self) -> Sequence[Declaration]:
        """Return one declaration for each call, and one for what is asked in place."""
        return (*(call.declaration for call in self._calls), self._in_place)

    def debts(self, today: date) -> list[str]:
        """Return every debt, that of a second source which is the first one included."""
        found = super().debts(today)
        found.extend(
            f'Boundary "{self.name}" {call.name}: its second source has the controller '
            f"{self.party.controller}, like the first. Ask somebody else, or our own record."
            for call in self._calls
            if call.contract.source is not None
            and call.contract.source.controller == self.party.controller
        )
        return found

    def mend(self, obligation: Obligation) -> str:
        """Say what to pass so that the obligation is discharged."""
        return _MENDS.get(obligation, super().mend(obligation))

    def prepare(self, store: Store | None) -> list[str]:  # noqa: ARG002  it needs none
        """Read the secrets, and look for the library below a fetch."""
        unread = [*way_out_debts(), *self.policy.unread()]
        if self.signature is not None:
            unread = [*unread, *self.signature.prepare()]
        debts = [f'Boundary "{self.name}": {debt}' for debt in unread]
        if debts:
            return debts
        if self._bearer is None:
            self._errand.carry(None)
            return []
        try:
            live = read_all(self._bearer)
        except BoundaryError as error:
            return [f'Boundary "{self.name}": {debt}' for debt in error.debts]
        self.is_disabled = not live
        self._errand.carry(live[0] if live else None)
        return []

    def flow(self, crossing: Crossing) -> Flow[Any]:  # noqa: ARG002  it takes no claim
        """Refuse to be handed a claim: an answer is asked for, never delivered."""
        raise BoundaryError(f'Boundary "{self.name}" asks by itself: use get, post or call.')

    def close(self) -> None:
        """Close every connection of this thread's fetcher."""
        self._errand.close()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._errand.aclose()

    def _asking(
        self, where: str, answer: type[T], about: Compared[T], more: InPlace[T]
    ) -> tuple[Call[T], Asked, Mapping[str, object] | None]:
        """Return a question whose terms are written where it is asked."""
        if "decides" in more:
            raise BoundaryError(
                f'Boundary "{self.name}": {where} decides something: declare it with call(…), '
                "so that the start can see whether it is confirmed."
            )
        asked: Any = {key: value for key, value in more.items() if key in Asked.__annotations__}
        terms: Any = {key: value for key, value in more.items() if key not in asked}
        given: Any = about
        words: Mapping[str, object] | None = None
        if isinstance(about, Mapping):
            named: Mapping[str, object] = cast("Any", about)
            words, given = named, {name: name for name in named}
        elif not isinstance(about, NoSubject):
            given = _of_the_answer_alone(about)
        contract: Contract[T] = contract_of(answer, given, terms)
        call = Call(self._errand, where, contract, lambda name: replace(self._in_place, name=name))
        return call, asked, words


def _of_the_answer_alone(about: Callable[[Any], bool]) -> Callable[[Any, object], bool]:
    return lambda answer, _: about(answer)


def _policy(base: str, deadline: timedelta) -> FetchPolicy:
    """Return the narrowest policy that leads to a base."""
    try:
        parts = urlsplit(base)
        host, port = parts.hostname or "", parts.port or 443
    except ValueError:
        raise BoundaryError(f"Partner(base={base!r}) is no URL.") from None
    if parts.scheme != "https" or not host:
        raise BoundaryError(
            f"Partner(base={base!r}) isn't https://host/…: over http nothing proves who answers. "
            "Where that is meant, hand in a FetchPolicy that says so."
        )
    return FetchPolicy(
        hosts={host},
        ports={port},
        content_types={"application/json"},
        max_wire_bytes=MAX_WIRE_BYTES,
        max_content_bytes=MAX_CONTENT_BYTES,
        deadline=deadline,
    )
