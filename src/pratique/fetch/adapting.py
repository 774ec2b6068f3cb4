"""What an adapter of another library stands on, beside the face of the room.

A door imports `pratique.fetch` and this module, and nothing else of the room. What an adapter owes,
whichever library it serves:

1. Each hop is gated before anything is sent: `require_method`, `gate`, then `require_hop` against
   the hop before it, as many as `FetchPolicy.redirects` says. What is sent is the target that the
   gate returned.
2. Only addresses that `FetchPolicy.judge` returned are connected to, with the certificate checked
   for the gated host, whatever the caller says of certificates and proxies. While it connects,
   `gated` is set, or a budget is current: else it is counted as naked.
3. One deadline over all hops and the last byte (`too_slow`); both caps, counted as it is read
   (`too_large_on_the_wire`, `too_large_decoded`); one coding of those that are
   asked for (`ACCEPT_ENCODING`, `decoder_of`); a declared type (`require_type`).
4. A credential of the policy goes to its own origin; what the caller brings goes to another origin
   only where it is `for_anybody`.
5. What is refused is `Refused` and the library's own exception: its time-out where the code is in
   `FOR_TIME`. Each crossing is recorded once, refused or proven (`Base.recorder`).
6. While a policy only observes, the library goes on as it would by itself, and `Look` says what
   would be refused.

`Through` and `AsyncThrough` do 1 to 4 and record, over connections of ours: an adapter turns the
library's request into theirs, and their `Streamed` into its answer. A library that keeps its own
connections, as aiohttp does, does each of them by the parts.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from .budget import FOR_TIME, too_large_on_the_wire, too_slow
from .decode import ACCEPT_ENCODING, decoder_of
from .fetcher import Base
from .flow import require_method, require_type, too_large_decoded, too_many_redirects
from .host import is_literal
from .naked import gated
from .redirect import REDIRECTS, for_anybody, origin, require_hop
from .shadow import Look

if TYPE_CHECKING:
    from .through import AsyncStreamed, AsyncThrough, Streamed, Through
else:
    _BY_HTTPCORE: Final = frozenset({"AsyncStreamed", "AsyncThrough", "Streamed", "Through"})

    def __getattr__(name: str) -> object:
        """Load what stands on httpcore when it is asked for: aiohttp's connector does without."""
        if name in _BY_HTTPCORE:
            return getattr(import_module(".through", __package__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = (
    "ACCEPT_ENCODING",
    "FOR_TIME",
    "REDIRECTS",
    "AsyncStreamed",
    "AsyncThrough",
    "Base",
    "Look",
    "Streamed",
    "Through",
    "decoder_of",
    "for_anybody",
    "gated",
    "is_literal",
    "origin",
    "require_hop",
    "require_method",
    "require_type",
    "too_large_decoded",
    "too_large_on_the_wire",
    "too_many_redirects",
    "too_slow",
)
