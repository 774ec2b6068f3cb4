"""What is read of an answer to a question of ours, by rooms that don't know who fetches it."""

from typing import Protocol

from .claim import Fields


class Answered(Protocol):
    """The answer to a question: what `pratique.fetch.Response` has."""

    @property
    def status(self) -> int:
        """Return the HTTP status of the last hop."""
        ...

    @property
    def fields(self) -> Fields:
        """Return its header fields."""
        ...

    @property
    def content(self) -> bytes:
        """Return its content, decoded, under the caps of the policy."""
        ...
