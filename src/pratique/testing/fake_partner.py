"""A server on loopback with scripted answers, for partner and fetch boundaries under test."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, Self

from pratique.core.claim import Fields

if TYPE_CHECKING:  # what is off imports little: the plugin is loaded in every run
    from pratique.fetch import FetchPolicy

HOST: Final = "127.0.0.1"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer."""

    status: int
    fields: Mapping[str, str]
    content: bytes
    is_held: bool = False


@dataclass(frozen=True, slots=True)
class Question:
    """One request as it came to a `FakePartner`."""

    method: str
    target: str
    fields: Fields = field(repr=False)
    content: bytes = field(repr=False)


class FakePartner:
    """A partner that answers what the test says, over plain http on this machine.

        with FakePartner() as bank:
            bank.answers({"score": 7})
            risk = perimeter.declare(Partner("risk", bank.base, policy=bank.policy()))

    It answers each question with the last script for its path, and 404 where there is none.

    Attributes:
        asked: Every question, in order.
    """

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self._scripts: dict[str, Answer] = {}
        self._ends = Event()
        self._server = ThreadingHTTPServer((HOST, 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        """Return the port at which it listens."""
        return int(self._server.server_address[1])

    @property
    def base(self) -> str:
        """Return its URL, without a slash at the end."""
        return f"http://{HOST}:{self.port}"

    def policy(self, **more: Any) -> "FetchPolicy":
        """Return a policy that leads here and nowhere else.

        Args:
            more: See `FetchPolicy`; application/json is what it takes by default.
        """
        from pratique.fetch import FetchPolicy, Internal

        way = Internal(HOST, f"{HOST}/32", self.port, "the fake partner of a test")
        wanted: dict[str, Any] = {
            "hosts": {HOST},
            "schemes": {"http"},
            "ports": {self.port},
            "internal": [way],
            "content_types": {JSON},
            **more,
        }
        return FetchPolicy(**wanted)

    def answers(
        self,
        content: object = b"",
        *,
        path: str = "*",
        status: int = 200,
        fields: Mapping[str, str] | None = None,
    ) -> None:
        """Answer so from now on.

        Args:
            content: Bytes as they are; anything else as JSON.
            path: Without a query; "*" for every path that has no script of its own.
            status: Of the answer.
            fields: Of the answer, beside Content-Type: application/json.
        """
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        self._scripts[path] = Answer(status, {"Content-Type": JSON, **(fields or {})}, raw)

    def answers_never(self, *, path: str = "*") -> None:
        """Take the question, and hold the answer back until it is closed."""
        self._scripts[path] = Answer(200, {}, b"", is_held=True)

    def answers_too_much(self, size: int, *, path: str = "*") -> None:
        """Answer with a JSON text of so many bytes."""
        self.answers(b'"' + b"a" * (size - 2) + b'"', path=path)

    def close(self) -> None:
        """Stop, and let go of the port."""
        self._ends.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def answer(self, question: Question) -> Answer:
        """Return what a question is answered with, and remember it."""
        self.asked.append(question)
        path = question.target.partition("?")[0]
        unknown = Answer(404, {"Content-Type": JSON}, b"{}")
        found = self._scripts.get(path) or self._scripts.get("*", unknown)
        if found.is_held:
            self._ends.wait()
        return found


def _handler_of(partner: FakePartner) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told = partner.answer(
                Question(self.command, self.path, Fields(self.headers.items()), content)
            )
            if told.is_held:
                self.close_connection = True
                return
            self.send_response(told.status)
            for name, value in told.fields.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.content)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # whoever asked has gone: that is what some answers are for
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""
            _ = format, args

    return Handler
