"""The command line: `pratique`, with a module a group of commands."""

from .entry import main

__all__ = ["main"]
