"""A connection of aiohttp whose answers are judged, and bounded in time and in bytes."""

import asyncio
from http.client import CONTINUE, OK, SWITCHING_PROTOCOLS
from inspect import signature
from typing import Any, Final

from aiohttp.client_proto import ResponseHandler
from aiohttp.hdrs import (
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    LOCATION,
    TRANSFER_ENCODING,
    URI,
)
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDictProxy

from pratique.core.claim import Fields
from pratique.core.refusal import Refused
from pratique.fetch import FetchPolicy
from pratique.fetch.adapting import (
    REDIRECTS,
    decoder_of,
    require_type,
    too_large_decoded,
    too_large_on_the_wire,
    too_slow,
)

from .chain import Chain, as_aiohttp

_RESUMES_BY_ITSELF: Final = "resume_parser" in signature(ResponseHandler.resume_reading).parameters
"""Whether this version of aiohttp goes on by `data_received(b"")` after a pause."""
_PIECE: Final = 4096
"""Bytes of a coding that are undone before the cap is looked at: at most 4 MiB come out."""


class Bounded(ResponseHandler):
    """A connection whose answers are bounded in time and in bytes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, policy: FetchPolicy) -> None:
        super().__init__(loop)
        self._of_loop = loop
        self._policy = policy
        self._most_wire, self._most_content = policy.max_wire_bytes, policy.max_content_bytes
        self._wire = 0
        self._is_last = False
        """The head of the last hop was admitted, its content isn't read to its end."""
        self._is_asked = self._has_head = self._has_more = self._is_coded = False
        """Its answer isn't read to its end; its head came; so did another; it has a coding."""
        self._rest = b""
        """What came and isn't parsed yet."""
        self._end: asyncio.TimerHandle | None = None
        self.chain: Chain | None = None

    def begin(self, chain: Chain) -> None:
        """Begin another exchange: its own bytes, its own deadline. Without it nothing is taken.

        One timer a connection, not one an exchange: where it goes off too early, it is set again.
        """
        self._wire, self._is_last = 0, False
        self._is_asked, self._has_head, self._has_more, self._is_coded = True, False, False, False
        self._rest = b""
        self.chain = chain
        chain.connected()
        if self._end is not None and self._end.when() > chain.ends_at:
            self._end.cancel()  # of a later call that was done sooner
            self._end = None
        if self._end is None:
            self._end = self._of_loop.call_at(chain.ends_at, self._over)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Judge the head of an answer before anybody sees it."""
        head, content = data
        status = head.code
        if self._has_head:  # a second answer to one question (CWE-444)
            self._has_more = True
            return
        if CONTINUE <= status < OK and status != SWITCHING_PROTOCOLS:
            super().feed_data(data, size)
            return
        is_last = status not in REDIRECTS or not _leads_on(head.headers)
        try:
            _require_head(status, head.headers, self._policy)
        except Refused as refused:
            if is_last:
                self._refuse(refused, content)
                return
            content = EMPTY_PAYLOAD  # whoever doesn't follow gets a redirect without its content
        self._is_last, self._has_head = is_last, True
        self._is_coded = CONTENT_ENCODING in head.headers
        super().feed_data((head, content), size)

    def data_received(self, data: bytes) -> None:
        """Count what comes, as it is sent and as it is decoded.

        What is coded goes to aiohttp in small pieces: where the whole content is asked for, it
        decodes all that it is given at once, however much that is (CWE-409).

        Args:
            data: Empty where reading goes on after a pause.
        """
        if data and not self._is_asked:
            self.close()  # it would be taken for the answer to the next question (CWE-444)
            return
        if not (data or self._rest or self._is_coded):
            super().data_received(data)  # reading goes on, and nothing waited
            return
        self._wire += len(data)
        if self._wire > self._most_wire:
            self._refuse(too_large_on_the_wire(self._most_wire), self._payload)
            return
        if not self._rest and len(data) <= _PIECE:
            self._parse(data)
            return
        self._rest += data
        if not data:
            self._parse(b"")
        while self._rest and not self._reading_paused and self.transport is not None:
            is_whole = self._has_head and not self._is_coded
            end = len(self._rest) if is_whole else _PIECE
            piece, self._rest = self._rest[:end], self._rest[end:]
            self._parse(piece)

    def _parse(self, piece: bytes) -> None:
        super().data_received(piece)
        content = self._payload
        if content is None:
            return
        if content.total_bytes > self._most_content:
            self._refuse(too_large_decoded(self._most_content), content)
        elif self._has_head and content.is_eof():
            self._is_asked = False
            if self._is_last:
                self._proven()
        if self._has_more or (self._rest and not self._is_asked):
            self.close()

    if not _RESUMES_BY_ITSELF:

        def resume_reading(self, *args: Any, **named: Any) -> None:
            """Go on where a pause left something."""
            super().resume_reading(*args, **named)
            if self._rest and not self._reading_paused:
                self.data_received(b"")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the deadline."""
        if self._end is not None:
            self._end.cancel()
        while self._rest and self.transport is not None:
            piece, self._rest = self._rest[:_PIECE], self._rest[_PIECE:]
            self._parse(piece)
        content = self._payload
        super().connection_lost(exc)
        # An answer without a length ends with its connection.
        if self._is_last and content is not None and content.exception() is None:
            self._proven()

    def _proven(self) -> None:
        self._is_last = False
        if self.chain is not None:
            self.chain.proven()

    def _over(self) -> None:
        self._end, chain = None, self.chain
        if chain is None or not self._is_asked:
            return
        if self._of_loop.time() < chain.ends_at:
            self._end = self._of_loop.call_at(chain.ends_at, self._over)
            return
        self._refuse(too_slow(self._policy.deadline.total_seconds()), self._payload)

    def _refuse(self, refused: Refused, content: Any) -> None:
        error = self.chain.refused(refused) if self.chain is not None else as_aiohttp(refused)
        if content is not None:
            content.set_exception(error)
        self.set_exception(error)
        self.close()
        self._exception = error  # whoever hasn't begun to wait finds it there


def _leads_on(headers: CIMultiDictProxy[str]) -> bool:
    """Say whether aiohttp follows: it takes the old field URI where Location is empty."""
    return (headers.get(LOCATION) or headers.get(URI)) is not None


def _require_head(status: int, headers: CIMultiDictProxy[str], policy: FetchPolicy) -> None:
    """Refuse content of a type that isn't declared, or in several codings."""
    if CONTENT_ENCODING in headers:
        decoder_of(headers.getall(CONTENT_ENCODING))
    types = headers.getall(CONTENT_TYPE, ())
    if (
        status == OK and len(types) == 1 and types[0] in policy.content_types
    ):  # as it stands, without a parameter
        return
    names = (CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING)
    lines = [(name, value) for name in names for value in headers.getall(name, ())]
    require_type(status, Fields(lines), policy)
