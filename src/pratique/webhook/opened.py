"""What opening a delivery yields: its key, when it was sent, whose it is, and its envelope."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec


class Grade(StrEnum):
    """How much a scheme's signature says."""

    SIGNED = "signed"
    """The sender made exactly these bytes."""
    WEAK = "weak"
    """The sender made something, and the content isn't wholly bound to it."""
    IDENTIFIED = "identified"
    """A token rides along: whoever has seen one delivery can make others."""
    UNSIGNED = "unsigned"


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """What every sender's event has, in our words.

    Ids are fit for a path, else the envelope is None.
    """

    id: str = ""
    type: str = ""
    account: str = ""
    object_id: str = ""
    livemode: bool | None = None


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A delivery that is authentic and, where its scheme signs a time, fresh."""

    key: bytes
    """The single-use key, from inside the signed bytes."""
    sent: int | None
    """Seconds since 1970 of the signed time; None where none is signed."""
    grade: Grade
    account: str
    secret_name: str
    """Name of the live secret that matched."""
    envelope: Envelope | None = None
    """None where the content isn't an event in the sender's shape."""
    moment: str = ""
    """The signed time as it is written: two may be milliseconds apart. "" where none is signed."""

    @property
    def sent_at(self) -> datetime | None:
        """Return the signed time, UTC."""
        return datetime.fromtimestamp(self.sent, UTC) if self.sent is not None else None


# An id goes into a URL and a key (CWE-22, CWE-178), so no dot leads it: ".." names another path.
# Real senders stay under 100 characters.
_ID: Final = re.compile(r"[A-Za-z0-9_\-:][A-Za-z0-9_\-.:]{0,254}")
is_id: Final = _ID.fullmatch
_MAX_WORD: Final = 255


def fit(text: str) -> str:
    """Return an id that is fit to go into a URL and a key, "" for any other text."""
    # Most ids are words of letters, digits and "_": to see that costs half of the pattern.
    if text.isidentifier() and text.isascii() and len(text) <= _MAX_WORD:
        return text
    return text if is_id(text) is not None else ""
