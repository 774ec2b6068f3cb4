"""The command line: `pratique demo`, `pratique forwarded`, `pratique issuer`, `pratique why`."""

from .entry import main

__all__ = ["main"]
