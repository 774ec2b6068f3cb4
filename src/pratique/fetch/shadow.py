"""An observed policy beside what was there before it: it says what it would refuse."""

from collections.abc import Iterable

from pratique.core.claim import Fields
from pratique.core.closing import refusal_record
from pratique.core.crossing import Crossing
from pratique.core.obligation import ALLOWED, VALID
from pratique.core.refusal import Answer, Refused

from .fetcher import Base
from .flow import require_type
from .gate import Target, gate
from .host import is_literal
from .redirect import REDIRECTS


class Look:
    """What an observed policy says of one request."""

    def __init__(self, base: Base, url: str, method: str) -> None:
        self._base = base
        self._crossing = Crossing(base.boundary, base.boundary.claim(url, method=method))
        self._crossing.declaration = base.boundary.declarations()[0]
        self._is_told = False

    @property
    def is_due(self) -> bool:
        """Say whether it only observes, still."""
        return self._crossing.observing

    def before(self) -> None:
        """Judge where a request leads. Nothing is refused."""
        policy = self._base.boundary.policy
        try:
            target = gate(self._crossing.claim.via.target, policy)
            policy.judge(target.host, target.port, self._addresses(target))
        except Refused as refused:
            self._tell(refused)

    async def abefore(self) -> None:
        """Do the same on the event loop."""
        policy = self._base.boundary.policy
        try:
            target = gate(self._crossing.claim.via.target, policy)
            policy.judge(target.host, target.port, await self._aaddresses(target))
        except Refused as refused:
            self._tell(refused)

    def after(self, status: int, lines: Iterable[tuple[str, str]]) -> None:
        """Judge the head of what came back; its content stays unread."""
        self._crossing.discharge(ALLOWED)
        try:
            if status not in REDIRECTS:
                require_type(status, Fields(lines), self._base.boundary.policy)
            self._crossing.discharge(VALID)
        except Refused as refused:
            self._tell(refused)
        self._tell(_admitted())

    def connected(self) -> None:
        """Say that it would have gone there; what came back is read by nobody here."""
        self._tell(_admitted())

    def _addresses(self, target: Target) -> list[str]:
        if is_literal(target.host):
            return [target.host]
        seconds = self._base.boundary.policy.deadline.total_seconds()
        return self._base.lookup.resolve(target.host, target.port, seconds=seconds)

    async def _aaddresses(self, target: Target) -> list[str]:
        if is_literal(target.host):
            return [target.host]
        seconds = self._base.boundary.policy.deadline.total_seconds()
        return await self._base.lookup.aresolve(target.host, target.port, seconds=seconds)

    def _tell(self, refused: Refused) -> None:
        if not self._is_told:
            self._is_told = True
            self._base.recorder.emit(refusal_record(self._crossing, refused)[0], sample=False)


def _admitted() -> Refused:
    return Refused(ALLOWED, "the policy only observes", code="observed", answer=Answer.ACKNOWLEDGE)
