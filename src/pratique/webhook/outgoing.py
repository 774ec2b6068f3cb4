"""Our own events to URLs that customers registered: sealed and gated when they are sent."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from pratique.core.answered import Answered
from pratique.core.obligation import CONFIRMED
from pratique.core.proven import Proven
from pratique.core.refusal import BoundaryError, Refused

from .opened import Grade
from .receipt import require_taken
from .scheme import Scheme, Secrets
from .sealing import sealed

JSON: Final = "application/json"
Lines = Sequence[tuple[str, str]]


class Reply(Answered, Protocol):
    """What is read of an answer: `pratique.fetch.Response` has it."""

    @property
    def hops(self) -> tuple[str, ...]:
        """Return the URLs before it, empty without a redirect."""
        ...


R_co = TypeVar("R_co", bound=Reply, covariant=True)


class Poster(Protocol[R_co]):
    """What sends under a policy and proves the answer: the boundary `pratique.fetch.Fetch`."""

    def post(
        self, url: str, *, content: bytes, fields: Lines = (), principal: str = ""
    ) -> Proven[R_co]:
        """Send content to a URL that is gated now, each hop; Refused where it may not be."""
        ...

    async def apost(
        self, url: str, *, content: bytes, fields: Lines = (), principal: str = ""
    ) -> Proven[R_co]:
        """Do the same on the event loop."""
        ...


class Outgoing(Generic[R_co]):
    """Sends signed events to URLs of customers.

    The URL is somebody else's claim, whenever it was checked before: it is gated when it is sent to
    (CWE-918, CWE-367).

    Args:
        scheme: `providers.standard_webhooks`, or one of your own by `providers.generic`.
        through: The fetch boundary whose policy says where the URLs may lead.
        clock: Tells the time in UTC; tests hand in their own.

    Raises:
        BoundaryError: the scheme signs no time or no key, or more than content and fields.
    """

    def __init__(
        self,
        scheme: Scheme,
        *,
        through: Poster[R_co],
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if not (scheme.signed_time and scheme.signed_key and scheme.grade is Grade.SIGNED):
            message = (
                f"Outgoing({scheme.name}): it doesn't sign both a time and an event's id, so that "
                "whoever sees one delivery can replay it at the customer. "
                "Take providers.standard_webhooks."
            )
            raise BoundaryError(message)
        if scheme.signs_url or scheme.time_of is not None or scheme.seal_content is not None:
            message = (
                f"Outgoing({scheme.name}): it signs a URL, a time or a signature that stand "
                "elsewhere than in fields. Take providers.standard_webhooks."
            )
            raise BoundaryError(message)
        self.scheme = scheme
        self.through = through
        self._clock = clock or _now

    def send(
        self,
        url: str,
        content: bytes,
        *,
        key: str,
        secrets: Secrets,
        principal: str = "",
        content_type: str = JSON,
    ) -> Proven[R_co]:
        """Send one event, once; a queue that sends it again passes the same key and content.

        Args:
            url: As the customer registered it.
            content: The bytes of the event.
            key: The event's id. The same over all attempts, so that the receiver can be idempotent;
                the signed time is new at each.
            secrets: This customer's, in the scheme's form; the new and the old one while it is
                rolled, where the scheme's field holds several signatures.
            principal: Whose names are counted together, so that a customer whose DNS hangs stops
                nobody else: the customer's id.
            content_type: Of the content.

        Raises:
            Refused: what the fetch policy refuses; what `require_taken` refuses; AUTHENTIC, code
                "no_secret", "bad_secret", "expired_secret"; UNIQUE, code "bad_event_key". See
                `next_step` for what to do then.
            BoundaryError: several secrets, and the scheme's field holds one signature; content that
                isn't bytes.
        """
        fields = self._sealed(content, key, secrets, content_type)
        return self._taken(
            self.through.post(url, content=content, fields=fields, principal=principal)
        )

    async def asend(
        self,
        url: str,
        content: bytes,
        *,
        key: str,
        secrets: Secrets,
        principal: str = "",
        content_type: str = JSON,
    ) -> Proven[R_co]:
        """Do the same on the event loop."""
        fields = self._sealed(content, key, secrets, content_type)
        return self._taken(
            await self.through.apost(url, content=content, fields=fields, principal=principal)
        )

    def challenge(self, url: str, *, secrets: Secrets, principal: str = "") -> Proven[R_co]:
        """Ask an endpoint, when it is registered, to give back a token.

        Whoever owns the URL wants our events, then: a URL of somebody who never asked gives nothing
        back. The content is a signed event of the type "url_verification" with "challenge": the
        answer's content is that token and nothing else. It says nothing of where the URL leads
        later: `send` gates it again.

        Args:
            url: As the customer wants it registered.
            secrets: This customer's.
            principal: See `send`.

        Raises:
            Refused: as `send`; CONFIRMED, code "challenge_unanswered".
        """
        token, key, content = _challenge()
        answer = self.send(url, content, key=key, secrets=secrets, principal=principal)
        return _answered(answer, token)

    async def achallenge(self, url: str, *, secrets: Secrets, principal: str = "") -> Proven[R_co]:
        """Do the same on the event loop."""
        token, key, content = _challenge()
        answer = await self.asend(url, content, key=key, secrets=secrets, principal=principal)
        return _answered(answer, token)

    def _sealed(self, content: bytes, key: str, secrets: Secrets, content_type: str) -> Lines:
        if not isinstance(content, bytes):
            raise BoundaryError(
                "send(content=…) is bytes, the same at each attempt: json.dumps(…).encode(), once."
            )
        fields = sealed(self.scheme, content, key=key, secrets=secrets, at=self._clock())
        return [*fields, ("Content-Type", content_type)]

    def _taken(self, answer: Proven[R_co]) -> Proven[R_co]:
        reply = answer.value
        try:
            require_taken(reply.status, reply.fields, hops=reply.hops, at=self._clock())
        except Refused as refused:
            refused.crossing_id = answer.crossing_id
            raise
        return answer


def _now() -> datetime:
    return datetime.now(UTC)


def _challenge() -> tuple[str, str, bytes]:
    token, key = token_urlsafe(32), f"msg_{token_hex(12)}"
    said = {"id": key, "type": "url_verification", "challenge": token}
    return token, key, msgspec.json.encode(said)


def _answered(answer: Proven[R_co], token: str) -> Proven[R_co]:
    if compare_digest(answer.value.content.strip(), token.encode()):
        return answer
    refused = Refused(
        CONFIRMED,
        "the endpoint takes the challenge and doesn't give its token back",
        code="challenge_unanswered",
        hint="let it answer with the value of challenge alone, once it has checked the signature",
    )
    refused.crossing_id = answer.crossing_id
    raise refused
