"""The provider on loopback: an API that is asked, and deliveries that it signs.

python -m examples.payments.provider serve 9000
python -m examples.payments.provider deliver http://localhost:8000/webhooks/payment/ in_ann
"""

import json
import os
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from pratique.webhook import providers

INVOICES = {
    "in_ann": {"id": "in_ann", "customer": "cus_ann", "status": "paid", "amount": 2900},
    "in_cheap": {"id": "in_cheap", "customer": "cus_bob", "status": "paid", "amount": 1},
    "in_void": {"id": "in_void", "customer": "cus_bob", "status": "void", "amount": 2900},
}


class Api(BaseHTTPRequestHandler):
    """Answers GET /v1/invoices/{id}."""

    def do_GET(self) -> None:
        """Answer with an invoice, or 404."""
        found = INVOICES.get(self.path.rpartition("/")[2])
        content = json.dumps(found).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def event_of(invoice: str, customer: str, *, id: str = "") -> bytes:
    """Return an event as the provider writes it."""
    about = {"id": invoice, "customer": customer, "status": "paid"}
    event = {"id": id or f"evt_{invoice}", "type": "invoice.paid", "livemode": True}
    return json.dumps({**event, "data": {"object": about}}).encode()


def signed(content: bytes, secret: str) -> dict[str, str]:
    """Return the fields that prove a delivery of now."""
    fields = providers.stripe.seal(content, secret=secret, at=datetime.now(UTC))
    return {"Content-Type": "application/json", **dict(fields)}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Api).serve_forever()
    event = event_of(sys.argv[3], "cus_ann")
    fields = signed(event, os.environ["STRIPE_WEBHOOK_SECRET"])
    answer = httpx.post(sys.argv[2], content=event, headers=fields, trust_env=False)
    print(answer.status_code, answer.text)
