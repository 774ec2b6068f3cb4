"""What an app tells of a URL that a user named."""

from typing import NamedTuple


class Told(NamedTuple):
    """One answer of an app.

    Attributes:
        value: What it hands on; None where it has nothing.
        clause: Which `except` clause, or which check of its own, answered; "" where none did.
        words: What it says to its user or its log.
    """

    value: object
    clause: str = ""
    words: str = ""
