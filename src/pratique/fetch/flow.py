"""One fetch as pure logic: gate, exchange, follow, read under caps."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

import msgspec

from pratique.core.claim import Fields
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, AUTHENTIC, VALID, Obligation
from pratique.core.proven import Proven
from pratique.core.question import Flow, Question
from pratique.core.refusal import Refused

from .budget import Budget
from .decode import Decoder, decoder_of
from .gate import gate
from .policy import FetchPolicy
from .redirect import Request, follow

STATUS_WITHOUT_CONTENT = (204, 304)
"""Nothing comes after their heads, whatever these say: RFC 9112 §6.3. 205 isn't one of them."""
SWITCHING_PROTOCOLS = 101


class Head(msgspec.Struct, frozen=True, gc=False):
    """What an exchange answered before its content."""

    status: int
    fields: Fields
    body: object
    """What `Read` is asked with."""
    raw: Sequence[tuple[bytes, bytes]] = ()
    """The field lines as they came, where the wire has them so."""


class Exchange(Question, frozen=True, gc=False):
    """Send a request to a target, connecting only to addresses that the policy admits."""

    obligation: ClassVar[Obligation] = Obligation.AUTHENTIC
    request: Request


class Read(Question, frozen=True, gc=False):
    """Give the next piece of the content as it is on the wire; b"" at its end."""

    obligation: ClassVar[Obligation] = Obligation.VALID
    body: object


class Response(msgspec.Struct, frozen=True, gc=False):
    """What a remote host answered.

    Attributes:
        url: Our canonical URL of the last hop.
        status: 200.
        fields: Its header fields.
        content: Decoded, at most `FetchPolicy.max_content_bytes`.
        hops: The URLs before it, first to last; empty without a redirect.
    """

    url: str
    status: int
    fields: Fields
    content: bytes
    hops: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """Return the media type without its parameters, lower case; "" where none is said."""
        return media_type(self.fields)


class Arrived(msgspec.Struct, frozen=True, gc=False):
    """The answer of the last hop, its content still to be read."""

    head: Head
    url: str
    hops: tuple[str, ...]


def travel(crossing: Crossing, policy: FetchPolicy) -> Flow[Arrived]:
    """Go where a claim's target leads, each hop gated."""
    claim, hops = crossing.claim, list[str]()
    require_method(claim.via.method)
    target = gate(claim.via.target, policy)
    request = Request(target, claim.via.method, tuple(claim.fields), claim.content)
    while True:
        head: Head = yield Exchange(request)
        crossing.discharge(AUTHENTIC)
        following = follow(request, head.status, head.fields, policy)
        if following is None:
            break
        if len(hops) >= policy.redirects:
            raise too_many_redirects(policy.redirects)
        hops.append(request.target.url)
        request = following
    return Arrived(head, request.target.url, tuple(hops))


def arrive(crossing: Crossing, policy: FetchPolicy) -> Flow[Arrived]:
    """Go where a claim's target leads; the last answer is of a declared type."""
    arrived = yield from travel(crossing, policy)
    crossing.discharge(ALLOWED)
    require_type(arrived.head.status, arrived.head.fields, policy)
    return arrived


def content_of(head: Head, policy: FetchPolicy, budget: Budget) -> Flow[bytes]:
    """Read the content of an answer, decoded, under both caps."""
    intake, pieces = Intake(head, policy, budget), list[bytes]()
    while raw := (yield Read(head.body)):
        pieces.extend(intake.pieces(raw))
    intake.end()
    return b"".join(pieces)


def fetch(crossing: Crossing, policy: FetchPolicy, budget: Budget) -> Flow[Proven[Response]]:
    """Fetch one URL: arrive there, read its content."""
    arrived = yield from arrive(crossing, policy)
    head = arrived.head
    content = yield from content_of(head, policy, budget)
    crossing.discharge(VALID)
    return crossing.prove(Response(arrived.url, head.status, head.fields, content, arrived.hops))


class Intake:
    """Takes content in piece by piece, decoded, under the caps of a policy."""

    def __init__(self, head: Head, policy: FetchPolicy, budget: Budget) -> None:
        self._decoder = decoder_of(head.fields.all("Content-Encoding"))
        self._has_none = head.status in STATUS_WITHOUT_CONTENT
        self._budget = budget
        self._limit = self._left = policy.max_content_bytes
        self._is_empty = True

    @property
    def is_coded(self) -> bool:
        """Say whether what is on the wire isn't the content itself."""
        return self._decoder is not None

    def pieces(self, raw: bytes) -> Iterable[bytes]:
        """Return what is decoded of *raw*, as it stands on the wire, piece by piece.

        Raises:
            Refused: VALID, code "too_large_on_the_wire", "too_large_decoded", "broken_coding";
                "bad_http" where the status has no content, and so no type that was checked.
        """
        if self._has_none:  # HTTP/2 carries it all the same
            raise Refused(
                VALID, "content comes after a status without", code="bad_http", status=502
            )
        self._budget.take(len(raw))
        self._is_empty = False
        if self._decoder is None:
            self._take(raw)
            return (raw,)
        return self._decoded(self._decoder, raw)

    def _decoded(self, decoder: Decoder, raw: bytes) -> Iterator[bytes]:
        for piece in decoder.pieces(raw):
            self._take(piece)
            yield piece

    def _take(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise too_large_decoded(self._limit)

    def end(self) -> None:
        """Refuse what stopped in the middle of its coding."""
        if self._decoder is not None and not self._is_empty:
            self._decoder.end()


def media_type(fields: Fields) -> str:
    """Return the media type of an answer without its parameters, lower case."""
    return (fields.one("Content-Type") or "").partition(";")[0].strip().lower()


def require_method(method: str) -> None:
    """Refuse CONNECT: what runs inside a tunnel is gated by nobody (CWE-441).

    Raises:
        Refused: ALLOWED, code "method_not_allowed".
    """
    if method.upper() == "CONNECT":
        raise Refused(
            ALLOWED,
            "a tunnel is no fetch: nothing would gate what it leads to",
            code="method_not_allowed",
            hint="a proxy of one's own is declared: FetchPolicy(proxy=EgressProxy(…))",
        )


def require_type(status: int, fields: Fields, policy: FetchPolicy) -> None:
    """Refuse an answer whose content type isn't declared (CWE-434). One without content has none.

    Raises:
        Refused: VALID, code "content_type"; "upgraded" where it is no answer but another protocol.
    """
    if status == SWITCHING_PROTOCOLS:  # RFC 9110 §15.2.2: what follows has no caps of ours
        raise Refused(
            VALID,
            "the host switches to another protocol",
            code="upgraded",
            hint="WebSockets aren't fetched: connect to them beside the policy, and say so",
            status=502,
        )
    if status in STATUS_WITHOUT_CONTENT or _is_empty(fields):
        return
    if not policy.admits_type(media_type(fields)):
        raise Refused(
            VALID,
            "the answer's content type isn't one that the policy names",
            code="content_type",
            hint="add it to FetchPolicy(content_types=…) if such answers are wanted",
            status=502,
        )


def _is_empty(fields: Fields) -> bool:
    # RFC 9112 §6.3: where both stand, content comes in chunks whatever the length says.
    return fields.one("Content-Length") == "0" and not fields.all("Transfer-Encoding")


def too_large_decoded(limit: int) -> Refused:
    """Return the refusal of content that is over its cap once decoded."""
    return Refused(
        VALID,
        f"the decoded content has more than {limit} bytes",
        code="too_large_decoded",
        hint="raise FetchPolicy(max_content_bytes=…) if such answers are wanted",
        status=502,
    )


def too_many_redirects(redirects: int) -> Refused:
    """Return the refusal of one redirect more than the policy admits."""
    return Refused(
        ALLOWED,
        f"the answer redirects once more than the {redirects} times that are admitted",
        code="too_many_redirects",
        hint="raise FetchPolicy(redirects=…) if such hosts are wanted",
    )
