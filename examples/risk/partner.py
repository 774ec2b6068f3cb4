"""The partner's API on loopback, honest about one order and wrong about three."""

import json
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SAYS = {
    "o_1": {},
    "o_2": {"order": "o_1"},  # an honest answer, about another order
    "o_3": {"verdict": "refunded"},  # a verdict that nobody declared
    "o_4": None,  # nothing: it is down
}


class Partner(BaseHTTPRequestHandler):
    """Answers GET /orders/{order}/score."""

    def do_GET(self) -> None:
        """Answer what `SAYS` has of that order."""
        order = self.path.split("/")[2]
        changed = SAYS[order]
        now = datetime.now(UTC).isoformat()
        honest = {"order": order, "score": 12, "verdict": "approve", "as_of": now}
        content = b"" if changed is None else json.dumps(honest | changed).encode()
        self.send_response(200 if content else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Partner).serve_forever()
