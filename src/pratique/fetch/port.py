"""Ports: which numbers are one, and which a scheme has by itself."""

from typing import Final

MAX_PORT: Final = 65_535
DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def is_port(port: object) -> bool:
    """Say whether it is a number from 1 to 65535."""
    return isinstance(port, int) and not isinstance(port, bool) and 0 < port <= MAX_PORT
