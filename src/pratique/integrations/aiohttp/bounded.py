"""A connection of aiohttp whose answers are judged, and bounded in time and in bytes."""

import asyncio
from http.client import OK, SWITCHING_PROTOCOLS
from typing import Any

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
from pratique.fetch.budget import too_large_on_the_wire, too_slow
from pratique.fetch.decode import require_one_coding
from pratique.fetch.flow import require_type, too_large_decoded
from pratique.fetch.redirect import REDIRECTS

from .chain import Chain, as_aiohttp, chain_in_hand


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
        self._is_asked = self._has_head = False
        """Its answer isn't read to its end; its head came."""
        self._end: asyncio.TimerHandle | None = None
        self.chain: Chain | None = None

    def set_response_params(self, **params: Any) -> None:
        """Begin another exchange: its own bytes, its own deadline.

        One timer a connection, not one an exchange: where it goes off too early, it is set again.
        """
        self._wire, self._is_last = 0, False
        self._is_asked, self._has_head = True, False
        self.chain = chain = chain_in_hand.get()
        if chain is None:  # nobody comes here but through `connect`
            raise as_aiohttp(too_slow(0))
        chain.connected()
        if self._end is not None and self._end.when() > chain.ends_at:
            self._end.cancel()  # of a later call that was done sooner
            self._end = None
        if self._end is None:
            self._end = self._of_loop.call_at(chain.ends_at, self._over)
        super().set_response_params(**params)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Judge the head of an answer before anybody sees it."""
        message, payload = data
        status = message.code
        if status < OK and status != SWITCHING_PROTOCOLS:
            super().feed_data(data, size)
            return
        is_last = not _leads_on(status, message.headers)
        try:
            _require_head(status, message.headers, self._policy)
        except Refused as refused:
            if is_last:
                self._refuse(refused, payload)
                return
            payload = EMPTY_PAYLOAD  # whoever doesn't follow gets a redirect without its content
        self._is_last, self._has_head = is_last, True
        super().feed_data((message, payload), size)

    def data_received(self, data: bytes) -> None:
        """Count what comes, as it is sent and as it is decoded."""
        if data and not self._is_asked:
            self.close()  # it would be taken for the answer to the next question (CWE-444)
            return
        self._wire += len(data)
        super().data_received(data)
        payload = self._payload
        if self._wire > self._most_wire:
            self._refuse(too_large_on_the_wire(self._most_wire), payload)
        elif payload is not None:
            if payload.total_bytes > self._most_content:
                self._refuse(too_large_decoded(self._most_content), payload)
            elif self._has_head and payload.is_eof():
                self._is_asked = False
                if self._is_last:
                    self._proven()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of the deadline."""
        if self._end is not None:
            self._end.cancel()
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


def _leads_on(status: int, headers: CIMultiDictProxy[str]) -> bool:
    """Say whether aiohttp follows: it takes the old field URI where Location is empty."""
    return status in REDIRECTS and (headers.get(LOCATION) or headers.get(URI)) is not None


def _require_head(status: int, headers: CIMultiDictProxy[str], policy: FetchPolicy) -> None:
    """Refuse content of a type that isn't declared, or in several codings."""
    if CONTENT_ENCODING in headers:
        require_one_coding(headers.getall(CONTENT_ENCODING))
    types = headers.getall(CONTENT_TYPE, ())
    if len(types) == 1 and types[0] in policy.content_types:  # as it stands, without a parameter
        return
    names = (CONTENT_TYPE, CONTENT_LENGTH, TRANSFER_ENCODING)
    lines = [(name, value) for name in names for value in headers.getall(name, ())]
    require_type(status, Fields(lines), policy)
