"""What watches the process beside the boundaries, and tells through the perimeter what it sees."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol, runtime_checkable

from .recorder import Recorder


class Sample(NamedTuple):
    """One value of a counter, for whatever shows metrics."""

    name: str
    """ "pratique_unguarded_connections_total"."""
    labels: Mapping[str, str]
    value: float


class Watcher(Protocol):
    """Sees what no boundary sees. It proves nothing and refuses nothing; it tells."""

    def started(self, recorder: Recorder) -> None:
        """Tell what was seen so far, and from now on what comes."""

    def closed(self, recorder: Recorder) -> None:
        """Tell the rest: *recorder* takes nothing more."""

    def samples(self) -> Iterable[Sample]:
        """Return what was counted so far."""
        ...


@runtime_checkable
class Inspector(Watcher, Protocol):
    """A watcher that looks at what the application stands on before anything crosses."""

    def debts(self) -> list[str]:
        """Return what is wrong, one sentence each with its mend; raise nothing."""
        ...

    async def adebts(self) -> list[str]:
        """Return the same on the event loop."""
        ...
