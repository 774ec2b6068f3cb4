"""How many rounds a fault test runs: few here, as many as PRATIQUE_FAULT_ROUNDS says elsewhere."""

import os


def rounds(default: int = 5) -> int:
    """Return the number of rounds."""
    return int(os.environ.get("PRATIQUE_FAULT_ROUNDS") or default)
