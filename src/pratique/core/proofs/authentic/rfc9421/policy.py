"""What a signature must cover, whose it must be, and how old it may be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from pratique.core.refusal import BoundaryError

from .component import Component, component_of
from .key import MessageKey

MAX_LEAD: Final = timedelta(seconds=60)
"""How far the signer's clock may be ahead of ours."""
REQUEST_COMPONENTS: Final = ("@method", "@target-uri", "content-digest")
RESPONSE_COMPONENTS: Final = (
    "@status",
    "content-digest",
    "@method;req",
    "@target-uri;req",
    "content-digest;req",
)
_PARAMETERS: Final = frozenset({"created", "expires", "nonce"})
_PARTS_OF_A_URI: Final = ("@authority", "@path", "@query")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignaturePolicy:
    """What both have: see `RequestSignature` and `ResponseSignature`.

    Args:
        keys: The sender's, by the names that they have in signatures.
        max_age: Longest age of `created`, on our clock; without `created` the longest time until
            `expires`. The window in which a copy passes unless a nonce or a key inside the content
            is made unique.
        components: What must be covered, at the least: `@method`, `content-type`,
            `@query-param;name="id"`. `@target-uri` is also covered by `@authority`, `@path` and
            `@query` together; `content-digest` is owed where there is content.
        parameters: Which of "created", "expires", "nonce" must be there; "created" or "expires".
        label: Of the signature, where a message has several; "" for any. It isn't signed.
        tag: What the signature says it is for; "" for any.
        max_lead: How far the signer's clock may be ahead of ours.

    Raises:
        BoundaryError: no key, two of one name, an age of nothing; what is covered would leave the
            content or the target open.
    """

    keys: Sequence[MessageKey]
    max_age: timedelta
    components: Sequence[str] = ()
    parameters: Iterable[str] = ("created",)
    label: str = ""
    tag: str = ""
    max_lead: timedelta = MAX_LEAD
    by_name: dict[str, MessageKey] = field(init=False, repr=False, compare=False)
    """The keys by name."""
    owed: tuple[Component, ...] = field(init=False, repr=False, compare=False)
    """What must be covered, read once."""

    least: ClassVar[tuple[str, ...]] = ()
    """What no declaration may leave out."""

    def __post_init__(self) -> None:
        """Look at the whole once, where it is written."""
        by_name = {key.keyid: key for key in self.keys}
        if not by_name:
            raise BoundaryError("keys=[] verifies nothing. Name at least one MessageKey.")
        if len(by_name) != len(self.keys):
            raise BoundaryError("two keys have one keyid: a signature must say whose it is.")
        if self.max_age <= timedelta(0) or self.max_lead < timedelta(0):
            raise BoundaryError(f"max_age={self.max_age}, max_lead={self.max_lead}: above zero.")
        named = frozenset(self.parameters)
        if named - _PARAMETERS or not named & {"created", "expires"}:
            raise BoundaryError(
                f"parameters={sorted(named)}: of created, expires, nonce, and created or expires."
            )
        try:
            owed = tuple(component_of(text) for text in self.components)
            least = tuple(component_of(text) for text in self.least)
        except ValueError as error:
            raise BoundaryError(f"components={list(self.components)}: {error}.") from None
        open_ = [str(one) for one in least if not covers(owed, one)]
        if open_:
            raise BoundaryError(
                f"components={list(self.components)} leaves {', '.join(open_)} uncovered: a "
                "signature over less says nothing of what is acted on."
            )
        for name, value in {
            "keys": tuple(self.keys),
            "components": tuple(self.components),
            "parameters": named,
            "by_name": by_name,
            "owed": owed,
        }.items():
            object.__setattr__(self, name, value)

    def prepare(self) -> list[str]:
        """Read the secrets of shared keys; return the debts. Called at start."""
        debts: list[str] = []
        for key in self.keys:
            try:
                key.prepare()
            except BoundaryError as error:
                debts.extend(error.debts)
        return debts


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSignature(SignaturePolicy):
    """What the signature of a request must be. Args as `SignaturePolicy`.

    >>> from datetime import timedelta
    >>> key = MessageKey.shared("partner-2026", b"k" * 32)
    >>> policy = RequestSignature(keys=[key], max_age=timedelta(minutes=5))
    >>> [str(one) for one in policy.owed]
    ['"@method"', '"@target-uri"', '"content-digest"']
    """

    components: Sequence[str] = REQUEST_COMPONENTS
    least: ClassVar[tuple[str, ...]] = REQUEST_COMPONENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseSignature(SignaturePolicy):
    """What the signature of a response must be. Args as `SignaturePolicy`.

    By default it covers of which request it is the answer: components with `;req`. Without those
    an honest answer to another request passes: name `components=` without them only where the
    signer covers none.
    """

    components: Sequence[str] = RESPONSE_COMPONENTS
    least: ClassVar[tuple[str, ...]] = ("@status", "content-digest")

    @property
    def is_bound_to_the_request(self) -> bool:
        """Say whether an answer to another method or target is refused."""
        return all(
            covers(self.owed, component_of(text)) for text in ("@method;req", "@target-uri;req")
        )


def covers(covered: Sequence[Component], wanted: Component) -> bool:
    """Say whether a component is among those that are covered, or its parts all are."""
    identities = {one.identity for one in covered}
    if wanted.identity in identities:
        return True
    # RFC 9421 §2.2.2: a target URI is more exact than its parts. The scheme stays open: where both
    # are served under one authority, owe @target-uri itself by a door that speaks https alone.
    return wanted.name == "@target-uri" and all(
        Component(part, wanted.params).identity in identities for part in _PARTS_OF_A_URI
    )
