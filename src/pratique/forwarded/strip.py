"""What must not reach the application: each field of the family that isn't declared, and lies."""

from threading import Lock
from typing import Final

from pratique.core.forks import renew_after_fork
from pratique.core.memo import Memo

from .family import NAMES, PREFIXES, is_family
from .framing import ByName
from .origin import Origin
from .policy import FORWARDED, ProxyPolicy

MOST_NAMES: Final = 64
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
        self._lock, self._counts = Lock(), dict[str, int]()
        renew_after_fork(self, _lock=Lock, _counts=dict)
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
            # CWE-770: what a stranger may fill is bounded in number and in size.
            found = self._known.keep(key, names) if len(key[1]) <= MOST_NAMES else names
        return found

    def told_anew(self, fields: ByName, origin: Origin) -> dict[str, str]:
        """Return the fields that say something else than was proven, with what they are to say.

        What stands left of the client in a list is an attacker's, and libraries that take the first
        entry read it.

        Args:
            fields: By name in lower case, as they came.
            origin: What was proven of them.
        """
        policy = self._policy
        anew: dict[str, str] = {}
        if fields.get("host") != origin.host:
            anew["host"] = origin.host
        header = policy.header
        if header is not None and header in fields:
            told = origin.client if header != FORWARDED else _element(origin)
            if fields[header] != told:
                anew[header] = told
        proto = policy.proto if policy.proto != FORWARDED else None
        host = policy.host if policy.host != FORWARDED else None
        if proto is not None and fields.get(proto, origin.scheme) != origin.scheme:
            anew[proto] = origin.scheme
        if host is not None and fields.get(host, origin.host) != origin.host:
            anew[host] = origin.host
        return anew

    def told(self, names: tuple[str, ...]) -> str:
        """Return the names for a record: one that isn't in our own list by its beginning alone."""
        return ", ".join(sorted({self._shown(name) for name in names}))

    def count(self, names: tuple[str, ...]) -> None:
        """Count each field once, under what `told` shows of it: a stranger makes no further one."""
        with self._lock:
            for name in {self._shown(name) for name in names}:
                self._counts[name] = self._counts.get(name, 0) + 1

    def counted(self) -> dict[str, int]:
        """Return how often each was stripped, by its name."""
        with self._lock:
            return dict(self._counts)

    def _shown(self, name: str) -> str:
        return name if self._is_ours(name) else _beginning(name)

    def _strips(self, name: str, *, is_trusted: bool) -> bool:
        if name in self._policy.declared:
            return not is_trusted
        return is_family(name) and name not in self.reads

    def _is_ours(self, name: str) -> bool:
        return name in NAMES or name in self._policy.declared


def _element(origin: Origin) -> str:
    node = f'"[{origin.client}]"' if ":" in origin.client else origin.client
    return f'for={node};proto={origin.scheme};host="{origin.host}"'


def _beginning(name: str) -> str:
    return next(f"{prefix}*" for prefix in PREFIXES if name.startswith(prefix))
