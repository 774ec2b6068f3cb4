"""The forwarded boundary around a Django project: a request is what is proven of its origin."""

from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest

from pratique.core.perimeter import Perimeter
from pratique.integrations.edge import ORIGIN_KEY, PROVEN_KEY, Edge, edge_of
from pratique.integrations.wsgi_edge import WsgiEdge, wsgi_edge_of


class DjangoEdge:
    """Lets each request cross the forwarded boundary before any other middleware sees it.

    Where `wsgi.guard` stands around the application already, it has crossed, and does so once.

    Args:
        perimeter: What guards the project, all of its boundaries declared.
    """

    def __init__(self, perimeter: Perimeter) -> None:
        self._asgi: Edge | None = edge_of(perimeter)
        self._wsgi: WsgiEdge | None = wsgi_edge_of(perimeter)

    def enter(self, request: HttpRequest) -> HttpRequest:
        """Return the request of which client, scheme and host are the proven ones.

        Raises:
            Refused: with status 400.
        """
        meta: dict[str, Any] = request.META
        if self._wsgi is None or self._asgi is None or PROVEN_KEY in meta:
            return request
        if not isinstance(request, ASGIRequest):
            self._wsgi.enter(meta)
            return request
        scope: Any = request.scope
        if PROVEN_KEY not in scope:
            self._asgi.enter(scope)
        # Django has made META of what was claimed: it is made anew, of what is proven.
        proven = ASGIRequest(scope, request._stream)  # noqa: SLF001
        for name in (ORIGIN_KEY, PROVEN_KEY):
            if name in scope:
                proven.META[name] = scope[name]
        return proven
