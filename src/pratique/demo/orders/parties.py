"""What each process of this scenario serves: a shop API, which is the gateway, and the service."""

import ssl
from importlib import import_module
from typing import Any

import uvicorn


def serve(kind: str, port: int, settings: dict[str, str]) -> None:
    """Serve one of the six on loopback: "guarded_shop", "safer_orders" and so on."""
    module = "guarded" if kind.startswith("guarded") else "twins"
    made = getattr(import_module(f"pratique.demo.orders.{module}"), kind)
    more: dict[str, Any] = {}
    if kind == "guarded_orders":
        more = {
            "http": "pratique.integrations.uvicorn:MtlsProtocol",
            "ssl_certfile": settings["certificate"],
            "ssl_ca_certs": settings["ca"],
            "ssl_cert_reqs": ssl.CERT_OPTIONAL,  # so that who shows none is answered, and why
        }
    uvicorn.run(
        made(settings),
        host="127.0.0.1",
        port=port,
        log_level="critical",
        ws="none",
        timeout_graceful_shutdown=1,
        **more,
    )
