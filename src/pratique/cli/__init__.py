"""The command line: `pratique demo`, `pratique why`."""

from .entry import main

__all__ = ["main"]
