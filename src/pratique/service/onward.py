"""The next call of a transaction: its token, made anew for each request, for one origin alone."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pratique.core.refusal import BoundaryError

from .context import FIELD

# RFC 6454 §6.2, with a port only where it isn't the scheme's own. In clear on loopback alone, where
# a proxy beside the service may speak TLS.
_ORIGIN: Final = re.compile(
    r"(?:https://(?:[a-z0-9.\-]+|\[[0-9a-f:.]+\])|http://(?:localhost|127\.0\.0\.1|\[::1\]))"
    r"(?::[0-9]{1,5})?"
)
# With "@" or a backslash in it, readers disagree about where the host begins (CWE-436).
_WHERE: Final = re.compile(r"(https?://)([^/?#@\\]+)(?:[/?#]|$)", re.IGNORECASE)
_OWN_PORT: Final = {"http://": ":80", "https://": ":443"}


class Onward:
    """Says in a call to another service for whom it is.

        onward = Onward(
            "https://stock.internal",
            lambda at: issuer.narrow(parent, scope=["stock.hold"], caller=OURSELVES, at=at),
        )
        client.get(url, headers=onward.fields_for(url), follow_redirects=False)

    Clients that follow redirects take a field along to whoever is next:
    `pratique.integrations.httpx_onward` and its siblings for requests and aiohttp look at each hop.

    Args:
        to: Origin of the service: "https://stock.internal", a port where it isn't the scheme's.
        token: (now, UTC) -> the token: `Issuer.mint` or `Issuer.narrow`.
        clock: Tells the time in UTC; tests hand in their own.

    Raises:
        BoundaryError: `to` is no origin.
    """

    __slots__ = ("_clock", "_token", "to")

    def __init__(
        self,
        to: str,
        token: Callable[[datetime], str],
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        if _ORIGIN.fullmatch(to) is None or origin_of(to) != to:
            raise BoundaryError(
                f"Onward({to!r}) names no origin with TLS: https://stock.internal:8443."
            )
        self.to, self._token, self._clock = to, token, clock or _now

    def fields_for(self, url: str) -> dict[str, str]:
        """Return the header fields for a request: none where it doesn't go to that origin.

        Args:
            url: Whole, as it is requested.
        """
        return {FIELD: self._token(self._clock())} if origin_of(url) == self.to else {}

    def __repr__(self) -> str:
        """Return where it goes, never a token."""
        return f"Onward({self.to!r})"


def origin_of(url: str) -> str:
    """Return the origin of an absolute http URL in lower case; "" for any other text."""
    found = _WHERE.match(url)
    if found is None:
        return ""
    scheme, place = found[1].lower(), found[2].lower()
    return scheme + place.removesuffix(_OWN_PORT[scheme])


def _now() -> datetime:
    return datetime.now(UTC)
