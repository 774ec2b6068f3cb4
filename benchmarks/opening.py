"""`open()` against the floor and the official SDK: Stripe's with its targets, then every sender's.

Run it: `python -m benchmarks.opening`.
"""

import hmac
import json
from datetime import UTC, datetime

import msgspec
import stripe

from benchmarks import opening_by_sender
from benchmarks.timing import least, row
from pratique import Claim
from pratique.webhook import providers

SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"


class _Object(msgspec.Struct):
    id: str


class _Data(msgspec.Struct):
    object: _Object


class _Event(msgspec.Struct):
    id: str
    type: str
    data: _Data


_decode = msgspec.json.Decoder(_Event).decode


def floor(header: str, content: bytes, key: bytes) -> _Event:
    """Do what any check must: parse the header, HMAC, compare, decode typed.

    No freshness, no caps, no key.
    """
    parts = dict(pair.split("=", 1) for pair in header.split(","))
    made = hmac.digest(key, parts["t"].encode() + b"." + content, "sha256").hex()
    if not hmac.compare_digest(made, parts["v1"]):
        raise ValueError
    return _decode(content)


def content_of(size: int) -> bytes:
    """Return an event of about that many bytes, shaped like Stripe's."""
    lines = [
        {"id": f"il_{n}", "amount": 2900, "currency": "eur", "description": "1 × Pro"}
        for n in range(size // 78)
    ]
    event = {
        "id": "evt_1NG8Du2eZvKYlo2C",
        "object": "event",
        "type": "invoice.paid",
        "livemode": True,
    }
    return json.dumps(
        {**event, "data": {"object": {"id": "in_1", "object": "invoice", "lines": lines}}}
    ).encode()


def measure(size: int, loops: int) -> dict[str, float]:
    """Return microseconds a call of the floor, ours and the SDK."""
    content, at = content_of(size), datetime.now(UTC)
    fields = providers.stripe.seal(content, secret=SECRET, at=at)
    claim, header, secrets, key = (
        Claim(content, fields, at),
        fields.one("Stripe-Signature") or "",
        [SECRET],
        SECRET.encode(),
    )
    scheme = providers.stripe
    return least(
        {
            "floor": lambda: floor(header, content, key),
            "ours": lambda: scheme.open(claim, secrets=secrets),
            "sdk": lambda: stripe.Webhook.construct_event(content, header, SECRET),  # type: ignore[no-untyped-call]
        },
        loops={"floor": loops, "ours": loops, "sdk": max(1, loops // 40)},
    )


def main() -> None:
    """Print the table."""
    small, large = measure(1024, 4000), measure(1 << 20, 8)
    print(
        f"floor {small['floor']:.2f} µs, ours {small['ours']:.2f} µs, "
        f"SDK {small['sdk']:.0f} µs at 1 KiB"
    )
    row(
        "open() at 1 KiB, × of the floor",
        small["ours"] / small["floor"],
        "<= 1.2",
        ok=small["ours"] <= 1.2 * small["floor"],
    )
    row(
        "construct_event at 1 KiB, × of open()",
        small["sdk"] / small["ours"],
        ">= 25",
        ok=small["sdk"] >= 25 * small["ours"],
    )
    row(
        "open() at 1 MiB, × of the floor",
        large["ours"] / large["floor"],
        "<= 1.1",
        ok=large["ours"] <= 1.1 * large["floor"],
    )
    opening_by_sender.main()


if __name__ == "__main__":
    main()
