"""What watches the process beside the boundaries, and tells through the perimeter what it sees."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from .recorder import Recorder


class Sample(NamedTuple):
    """One value of a counter, for whatever shows metrics."""

    name: str
    """ "pratique_unguarded_connections_total"."""
    labels: Mapping[str, str]
    value: int


class Watcher(Protocol):
    """Sees what no boundary sees. It proves nothing and refuses nothing; it tells."""

    def started(self, recorder: Recorder) -> None:
        """Tell what was seen so far, and from now on what comes."""

    def closed(self, recorder: Recorder) -> None:
        """Tell the rest: *recorder* takes nothing more."""

    def samples(self) -> Iterable[Sample]:
        """Return what was counted so far."""
        ...
