"""The layer outside Django's ASGI handler, which reads a whole request before any middleware."""

from typing import Any

from django.urls import Resolver404, resolve

from pratique.core.boundary import Boundary
from pratique.core.closing import store_refusal
from pratique.core.refusal import Refused, StoreError
from pratique.integrations.asgi import App, Message, Receive, Scope, Send, read_content, send_reply
from pratique.integrations.limits import DEFAULT_CAP
from pratique.integrations.reply import refusal

from .settings import declared
from .walk import boundary_of


def capped(application: App) -> App:
    """Read the content of what a boundary proves under its cap, before Django reads it all.

        application = capped(get_asgi_application())

    Without it, Django writes a content of any size into a temporary file first. Routes that a
    middleware chooses (`request.urlconf`) are not looked at here, nor are other people's.

    Args:
        application: Django's own handler, of a project that is guarded.
    """
    perimeter = declared().perimeter

    async def read(scope: Scope, receive: Receive, send: Send) -> None:
        boundary = _boundary_at(scope) if scope["type"] == "http" else None
        if boundary is None:
            await application(scope, receive, send)
            return
        try:
            if not perimeter.is_started:  # whose routes the guard has looked at
                await perimeter.astart()
        except StoreError as error:
            await send_reply(refusal(store_refusal(error)), send)
            return
        try:
            cap = int(getattr(boundary, "max_content_bytes", DEFAULT_CAP))
            content = await read_content(scope, receive, cap)
        except Refused as refused:
            reply = refusal(perimeter.refuse(boundary, refused))
            if str(scope.get("http_version", "1.1")).startswith("1"):
                reply.fields["connection"] = "close"  # else the server reads the rest
            await send_reply(reply, send)
            return
        await application(scope, _again(content, receive), send)

    return read


def _boundary_at(scope: Scope) -> Boundary | None:
    path = str(scope.get("path", "/")).removeprefix(str(scope.get("root_path", "") or ""))
    try:
        view: Any = resolve(path).func
    except Resolver404:
        return None
    return boundary_of(view)


def _again(content: bytes, receive: Receive) -> Receive:
    messages: list[Message] = [{"type": "http.request", "body": content, "more_body": False}]

    async def read() -> Message:
        return messages.pop() if messages else await receive()

    return read
