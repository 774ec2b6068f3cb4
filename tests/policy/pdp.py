"""A decision point on loopback: AuthZEN 1.0 in front of Cedar policies, which alone decide."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from pratique import Perimeter, Refused
from pratique.fetch import Fetch, FetchPolicy, Internal
from pratique.policy import CedarPolicy
from tests.sink import Kept

Decide = Callable[[dict[str, Any]], dict[str, Any]]
"""(one evaluation) -> its answer."""


@dataclass
class Reply:
    """What is answered instead of the truth; None: as it is."""

    status: int = 200
    content: bytes | None = None
    content_type: str = "application/json"
    request_id: str | None = None
    hangs: bool = False


@dataclass
class Point:
    """The decision point: where it is, what it was asked, what it is to answer."""

    url: str
    decide: Decide
    reply: Reply = field(default_factory=Reply)
    asked: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list[Any])

    @property
    def port(self) -> int:
        """Return its port."""
        return int(self.url.rpartition(":")[2])

    def answer(self, path: str, question: dict[str, Any]) -> dict[str, Any] | None:
        """Answer by the API's rules; None: there is no such path."""
        if path == "/access/v1/evaluation":
            return self.decide(question)
        if path == "/access/v1/evaluations":
            common = {key: value for key, value in question.items() if key != "evaluations"}
            return {
                "evaluations": [self.decide({**common, **one}) for one in question["evaluations"]]
            }
        return None


@contextmanager
def decision_point(decide: Decide) -> Iterator[Point]:
    """Serve one."""
    point = Point("", decide)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(point))
    server.daemon_threads = False
    point.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield point
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(point: Point) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["content-length"])))
            fields = {name.lower(): value for name, value in self.headers.items()}
            point.asked.append((self.path, fields, question))
            if point.reply.hangs:
                self.rfile.read(1)  # until the other side hangs up
                return
            status, told = point.reply.status, None
            try:
                told = point.answer(self.path, question)
            except Refused:
                status = 500
            content = point.reply.content
            if content is None:
                content = json.dumps(told or {}).encode()
            self.send_response(status if told is not None or status == 500 else 404)
            self.send_header("Content-Type", point.reply.content_type)
            self.send_header("X-Request-ID", point.reply.request_id or fields["x-request-id"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return None

    return Handler


def way_to(point: Point, *, types: str = "application/json") -> FetchPolicy:
    """Return the policy that leads to the decision point, and nowhere else."""
    way = Internal("127.0.0.1", "127.0.0.1/32", point.port, "the decision point of this test")
    return FetchPolicy(
        hosts={"pdp.example"},
        schemes={"http", "https"},
        internal=[way],
        content_types={types},
    )


@contextmanager
def fetch_to(point: Point, *, types: str = "application/json") -> Iterator[Fetch]:
    """Give a started fetch boundary that leads there."""
    perimeter = Perimeter(events=Kept())
    fetch = perimeter.declare(Fetch("decisions", way_to(point, types=types)))
    with perimeter:
        yield fetch
    fetch.close()


def cedar_point(policy: CedarPolicy) -> Decide:
    """Return what decides on evaluations by a Cedar policy over the evaluation's own members."""

    def decide(asked: dict[str, Any]) -> dict[str, Any]:
        told = policy(asked["subject"], asked["action"]["name"], asked["resource"])
        return {"decision": told.is_allowed, "context": {"id": "+".join(told.reasons)}}

    return decide
