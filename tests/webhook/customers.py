"""Customers with a receiver at a URL of theirs, and the two ways to send to it."""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import standardwebhooks

from pratique import Perimeter, Refused
from pratique.fetch import PUBLIC, Fetch, FetchPolicy, Response
from pratique.webhook import Outgoing, providers
from tests.fetch.world import Seen, reply

GOOD, OTHER = "93.184.215.14", "151.101.1.69"
URL = "https://a.test/hook"
OLD, NEW = (f"whsec_{b64encode(bytes(range(n, n + 24))).decode()}" for n in (0, 100))
PRIVATE = f"whsk_{b64encode(bytes(range(32))).decode()}"
CONTENT = b'{"type":"invoice.paid","data":{"id":"in_1"}}'
POLICY = FetchPolicy(
    hosts=PUBLIC,
    content_types={"*/*"},
    max_wire_bytes=64_000,
    max_content_bytes=64_000,
    deadline=timedelta(seconds=10),
)
ERP = providers.generic(
    "erp",
    signature_field="X-Erp-Signature",
    time_field="X-Erp-Time",
    id_field="X-Erp-Id",
    signed="{id}.{time}.{content}",
)
Way = Callable[..., Response]


def by_send(policy: FetchPolicy, url: str, content: bytes = CONTENT, **named: Any) -> Response:
    """Send on this thread."""
    with started(policy) as (fetch, scheme, clock):
        outgoing = Outgoing(named.pop("scheme", scheme), through=fetch, clock=clock)
        return outgoing.send(url, content, **_defaults(named)).value


def by_asend(policy: FetchPolicy, url: str, content: bytes = CONTENT, **named: Any) -> Response:
    """Send on an event loop."""

    async def work() -> Response:
        with started(policy) as (fetch, scheme, clock):
            outgoing = Outgoing(named.pop("scheme", scheme), through=fetch, clock=clock)
            try:
                return (await outgoing.asend(url, content, **_defaults(named))).value
            finally:
                await fetch.aclose()

    return asyncio.run(work())


class started:  # noqa: N801  it reads as a function
    """A fetch boundary in a perimeter that runs, for as long as it is entered."""

    def __init__(self, policy: FetchPolicy) -> None:
        self.perimeter = Perimeter()
        self.fetch = self.perimeter.declare(Fetch("callbacks", policy))

    def __enter__(self) -> tuple[Fetch, Any, None]:
        self.perimeter.start()
        return self.fetch, providers.standard_webhooks, None

    def __exit__(self, *_: object) -> None:
        self.fetch.close()
        self.perimeter.close()


def _defaults(named: dict[str, Any]) -> dict[str, Any]:
    return {"key": "msg_1", "secrets": NEW, **named}


every_way = pytest.mark.parametrize("way", [by_send, by_asend], ids=["send", "asend"])


def refusal(way: Way, *args: Any, policy: FetchPolicy = POLICY, **named: Any) -> Refused:
    """Send, and return the refusal."""
    with pytest.raises(Refused) as caught:
        way(policy, *(args or (URL,)), **named)
    return caught.value


def receiver(secret: str = NEW) -> Callable[[Seen], bytes]:
    """Return a receiver that verifies with the SDK of Standard Webhooks."""
    sdk = standardwebhooks.Webhook(secret)

    def answer(seen: Seen) -> bytes:
        try:
            sdk.verify(seen.content, seen.fields)
        except standardwebhooks.WebhookVerificationError:
            return reply(401, b"no", Content_Type="application/problem+json")
        return reply(204, b"", Content_Type="", Content_Length="")

    return answer
