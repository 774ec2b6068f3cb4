"""Tokens of the next call in httpx: set at each hop that goes to their service, and at no other.

client = httpx.AsyncClient(event_hooks={"request": [acarry]})
await client.get(url, extensions={ONWARD: onward})
"""

from typing import Any, Final

import httpx

from pratique.service.context import FIELD
from pratique.service.onward import Onward

ONWARD: Final = "pratique.onward"
"""The extension of a request that says for whom it is. httpx keeps it over a redirect."""


def carry(request: httpx.Request) -> None:
    """Set the token of a request, or take away what a redirect brought along.

    Args:
        request: At one hop.

    Raises:
        TypeError: the extension holds something else.
    """
    onward: Any = request.extensions.get(ONWARD)
    if onward is None:
        return
    if not isinstance(onward, Onward):
        raise TypeError(f'extensions={{"{ONWARD}": …}} is an Onward, not {type(onward).__name__}.')
    request.headers.pop(FIELD, None)
    request.headers.update(onward.fields_for(str(request.url)))


async def acarry(request: httpx.Request) -> None:
    """Do the same for `httpx.AsyncClient`."""
    carry(request)
