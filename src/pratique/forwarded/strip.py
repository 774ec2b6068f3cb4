"""What must not reach the application: each field of the family that isn't declared, and lies."""

from typing import Final

from pratique.core.memo import Memo

from .family import NAMES, PREFIXES, is_family
from .framing import ByName
from .policy import ProxyPolicy

KNOWN: Final = 1024
"""Sets of names that were looked at: the clients of one application send few different ones."""


class Stripper:
    """Says which fields of a request stay outside.

    Args:
        policy: What is believed, and from whom.

    Attributes:
        reads: Fields of the family that another boundary proves by itself: they pass.
    """

    def __init__(self, policy: ProxyPolicy) -> None:
        self._policy = policy
        self._known = Memo[tuple[bool, tuple[str, ...]], tuple[str, ...]](KNOWN)
        self.reads: frozenset[str] = frozenset()

    def stripped(self, fields: ByName, peer: str) -> tuple[str, ...]:
        """Return the names, in lower case, of the fields that stay outside.

        Args:
            fields: By name in lower case.
            peer: Of the connection: what is declared is believed from a trusted one alone.

        Raises:
            Refused: AUTHENTIC, code "unknown_peer".
        """
        _, is_trusted = self._policy.judge_peer(peer)
        key = (is_trusted, tuple(fields))
        found = self._known.get(key)
        if found is None:
            names = tuple(name for name in fields if self._strips(name, is_trusted=is_trusted))
            found = self._known.keep(key, names)
        return found

    def told(self, names: tuple[str, ...]) -> str:
        """Return the names for a record: one that isn't in our own list by its beginning alone."""
        return ", ".join(
            sorted({name if self._is_ours(name) else _beginning(name) for name in names})
        )

    def _strips(self, name: str, *, is_trusted: bool) -> bool:
        if name in self._policy.declared:
            return not is_trusted
        return is_family(name) and name not in self.reads

    def _is_ours(self, name: str) -> bool:
        return name in NAMES or name in self._policy.declared


def _beginning(name: str) -> str:
    return next(f"{prefix}*" for prefix in PREFIXES if name.startswith(prefix))
