"""Tokens of the next call in aiohttp, from 3.12 on: set at each hop that goes to their service.

await session.get(url, middlewares=(carried(onward),))
"""

from aiohttp import ClientHandlerType, ClientMiddlewareType, ClientRequest, ClientResponse

from pratique.service.context import FIELD
from pratique.service.onward import Onward


def carried(onward: Onward) -> ClientMiddlewareType:
    """Return the middleware that sets the token of a request.

    Args:
        onward: For whom the call is, and where to.
    """

    async def carry(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers.pop(FIELD, None)
        request.headers.update(onward.fields_for(str(request.url)))
        return await handler(request)

    return carry
