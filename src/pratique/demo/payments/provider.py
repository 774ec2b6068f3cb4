"""The payment provider: the source of truth about invoices."""

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def provider() -> Starlette:
    """Return the provider's API: read an invoice; the runner's hook writes one."""
    invoices: dict[str, dict[str, Any]] = {}

    async def read(request: Request) -> Response:
        invoice = invoices.get(request.path_params["invoice"])
        if invoice is None:
            return JSONResponse({"error": "no such invoice"}, status_code=404)
        return JSONResponse(invoice)

    async def write(request: Request) -> Response:
        invoice: dict[str, Any] = await request.json()
        invoices[invoice["id"]] = invoice
        return JSONResponse({})

    return Starlette(
        routes=[
            Route("/v1/invoices/{invoice}", read),
            Route("/_invoices", write, methods=["POST"]),
        ]
    )
