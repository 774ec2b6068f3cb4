"""What a user says of a boundary so that it can be attacked: one honest example a claim."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pratique.core.attack import Request
from pratique.core.boundary import Boundary, Declaration
from pratique.core.refusal import BoundaryError

Make = Callable[..., Any]
"""A function whose parameters are fixtures."""
KINDS: Final = ("webhook", "client", "service", "fetch", "partner", "forwarded")
"""Kinds of boundaries of which we have attacks."""


@dataclass(frozen=True, slots=True)
class Honest:
    """A request of a client or a service, with what somebody else's is.

    Args:
        request: As its sender makes it for what is theirs.
        foreign: The same, by the same sender, for somebody else's object.
    """

    request: Request
    foreign: Request | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a partner, and what of its answer is attacked.

    Args:
        partner: The `FakePartner` that the boundary leads to.
        ask: Asks by the boundary, and returns what is proven.
        answer: An honest answer, as the members of a JSON object.
        number: Which member is a whole number within bounds.
        choice: Which member is one of few words.
        path: Of the question at the fake partner; "*" for any.
    """

    partner: Any
    ask: Callable[[], object]
    answer: Mapping[str, Any]
    number: str
    choice: str
    path: str = "*"


@dataclass(frozen=True, slots=True)
class Hop:
    """A request as a proxy of one's own hands it on.

    Args:
        client: The address of who sent it, outside the trusted networks.
        proxy: The address of the proxy, the peer of the connection; "" where there is none.
        fields: What the proxy writes of that client, and `Host`.
    """

    client: str
    proxy: str
    fields: tuple[tuple[str, str], ...]


class Example:
    """An honest example of one kind of claim. Made by `example`."""

    def __init__(self, boundary: Boundary, claim: str, make: Make, secret: str | None) -> None:
        self.boundary = boundary
        self.claim = claim
        self.secret = secret
        self.make = make
        self.__doc__ = make.__doc__

    @property
    def declaration(self) -> Declaration:
        """Return what is declared of the claim.

        Raises:
            BoundaryError: the boundary declares no such claim.
        """
        declared = self.boundary.declarations()
        for each in declared:
            if self.claim == each.name or self.claim in each.name.split(" | "):
                return each
        known = ", ".join(each.name for each in declared) or "nothing"
        raise BoundaryError(
            f'example(…, {self.claim!r}): boundary "{self.boundary.name}" declares {known}.'
        )


class Counterexample:
    """What a callable of our user must say no to. Made by `counterexample`."""

    def __init__(self, judge: Make, make: Make) -> None:
        self.judge = judge
        self.make = make
        self.__doc__ = make.__doc__


def example(
    boundary: Boundary, claim: str, *, secret: str | None = None
) -> Callable[[Make], Example]:
    """Declare an honest example of a claim; `pytest --pratique` makes the attacks of it.

        @example(payments, "invoice.paid")
        def paid(database):
            return delivery(payments, "invoice.paid", object_id="in_1").to("/hooks/payments")

    The function may take fixtures. It returns, by the kind of the boundary: a webhook: `Request`;
    a client or a service: `Request` or `Honest`; a fetch: a URL that may be fetched; a partner:
    `Question`; a forwarded boundary: `Hop`.

    Args:
        boundary: Declared in a perimeter.
        claim: The name of the declaration: an event type, an action, "fetch", "GET /score".
        secret: The sender's private key, where a webhook's secret is the public one.

    Raises:
        BoundaryError: we have no attacks on such a boundary.
    """
    if boundary.kind not in KINDS:
        raise BoundaryError(
            f'example(…): "{boundary.name}" is of kind {boundary.kind}; there are attacks on '
            f"{', '.join(KINDS)}."
        )
    return lambda make: Example(boundary, claim, make, secret)


def counterexample(judge: Make) -> Callable[[Make], Counterexample]:
    """Declare what a callable must say no to: a link, an allow, a confirm, a policy.

        @counterexample(may)
        def somebody_elses_order(bob, anns_order):
            return bob, "update", anns_order

    The function may take fixtures; it returns the arguments. `pytest --pratique` hands them to the
    callable, and fails where that says yes.

    Args:
        judge: The callable itself, sync or async.
    """
    return lambda make: Counterexample(judge, make)
