"""What each process of this scenario serves."""

from typing import Any

import uvicorn


def serve(kind: str, port: int, settings: dict[str, str]) -> None:
    """Serve one of the four on loopback."""
    told = (settings.get("path", ""), settings.get("secret", ""), settings.get("provider", ""))
    uvicorn.run(_application(kind, *told), host="127.0.0.1", port=port, log_level="critical")


def _application(kind: str, path: str, secret: str, provider: str) -> Any:
    # A process imports what it serves, and nothing else: there are many of them.
    if kind == "provider":
        from .provider import provider as invoices

        return invoices()
    if kind == "guarded":
        from .guarded import guarded

        return guarded(path, secret, provider)
    from .twins import safer, vulnerable

    return {"vulnerable": vulnerable, "safer": safer}[kind](path, secret, provider)
