"""Which application each process of this scenario serves."""

from collections.abc import Callable
from typing import Any

import uvicorn

from .guarded import guarded
from .provider import provider
from .twins import safer, vulnerable


def serve(kind: str, port: int, settings: dict[str, str]) -> None:
    """Serve one of the four on loopback."""
    told = (settings.get("path", ""), settings.get("secret", ""), settings.get("provider", ""))
    made: dict[str, Callable[[], Any]] = {
        "provider": provider,
        "vulnerable": lambda: vulnerable(*told),
        "safer": lambda: safer(*told),
        "guarded": lambda: guarded(*told),
    }
    uvicorn.run(made[kind](), host="127.0.0.1", port=port, log_level="critical")
