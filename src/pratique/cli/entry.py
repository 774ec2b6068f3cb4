"""Starts the command line where its extra is installed, and says so where it isn't."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from .commands import app
    except ModuleNotFoundError as error:
        sys.stderr.write(f'{error.name} is not installed: pip install "pratique[cli]"\n')
        raise SystemExit(2) from None
    app()
