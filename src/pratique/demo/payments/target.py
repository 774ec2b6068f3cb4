"""One of the three APIs under attack: send it deliveries, read its database back."""

import hmac
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from . import database

WEBHOOK = "/api/webhooks/payment"
Delivery = tuple[bytes, dict[str, str]]


def body(number: int, *, event: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return an event: Stripe's shape, and the two fields that the guide's handlers read."""
    return {
        "id": event or f"evt_{number}",
        "type": "invoice.paid",
        "livemode": True,
        "account": "acct_shop",
        "userId": f"user_{number}",
        "invoiceId": f"in_{number}",
        "data": {"object": {"id": f"in_{number}", "object": "invoice"}},
        **changes,
    }


def signed(content: bytes | dict[str, Any], secret: str, *, ago: float = 0) -> Delivery:
    """Sign in both forms, Stripe's and the guide's: each API reads its own."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    at = datetime.now(UTC) - timedelta(seconds=ago)
    time = f"{at.timestamp():.0f}"
    key = secret.encode()  # by hand: an attacker signs with an empty key too, our own seal refuses
    mac = hmac.new(key, time.encode() + b"." + raw, "sha256").hexdigest()
    own = hmac.new(key, raw, "sha256").hexdigest()
    return raw, {"Stripe-Signature": f"t={time},v1={mac}", "x-signature": own}


class Target:
    """One API: its URL, its database, and what the guarded one answered."""

    def __init__(self, kind: str, url: str, path: Path, secret: str, provider: str) -> None:
        self.kind, self.url, self.path, self.secret = kind, url, path, secret
        self._client = httpx.Client(trust_env=False, timeout=20)
        self.provider = provider
        self.answers: list[httpx.Response] = []
        self.unanswered = 0

    def invoice(self, number: int, **changes: Any) -> None:
        """Write an invoice at the provider: paid, of that customer, at the right price."""
        invoice = {
            "id": f"in_{number}",
            "customer": f"cus_{number}",
            "status": "paid",
            "amount": 2900,
            "currency": "eur",
            "livemode": True,
            "metadata": {"subscriptionId": f"sub_{number}", "userId": f"user_{number}"},
        }
        self._client.post(f"{self.provider}/_invoices", json={**invoice, **changes})

    def send(self, *deliveries: Delivery) -> None:
        """Send one after the other, each on its own connection: a 500 closes the one before it."""
        for content, fields in deliveries:
            headers = {"content-type": "application/json", "connection": "close", **fields}
            try:
                answer = self._client.post(self.url + WEBHOOK, content=content, headers=headers)
            except httpx.TransportError:
                self.unanswered += 1  # never sent a second time: that would be a replay of our own
            else:
                self.answers.append(answer)

    def send_at_once(self, deliveries: Iterable[Delivery]) -> None:
        """Send all at the same time, each on its own connection."""
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(self.send, deliveries))

    def upgrades(self, number: int) -> int:
        """Read back how often the subscription was upgraded."""
        upgrades: int = database.read(self.path, number)["upgrades"]
        return upgrades

    def crash_once(self, number: int) -> None:
        """Let the handler of that invoice crash after its update, once."""
        Path(f"{self.path}.crash.in_{number}").touch()

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
