"""One process of the demonstration; its secret comes in the environment."""

import os
import sys
from collections.abc import Callable
from typing import Any

import uvicorn

from .payments.guarded import guarded
from .payments.provider import provider
from .payments.twins import safer, vulnerable


def main() -> None:
    """Serve one of the four on loopback."""
    kind, port, path, source = sys.argv[1:5]
    secret = os.environ["DEMO_SECRET"]
    made: dict[str, Callable[[], Any]] = {
        "provider": provider,
        "vulnerable": lambda: vulnerable(path, secret, source),
        "safer": lambda: safer(path, secret, source),
        "guarded": lambda: guarded(path, secret, source),
    }
    uvicorn.run(made[kind](), host="127.0.0.1", port=int(port), log_level="critical")


if __name__ == "__main__":
    main()
