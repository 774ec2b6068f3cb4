"""A sender as a boundary declares it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.core.secret import LiveSecret, Secret, read_all

from .compile import Opener
from .named_key import NO_SECRET
from .verify import Verifier

if TYPE_CHECKING:
    from .scheme import Scheme


@dataclass(frozen=True, slots=True)
class Sender:
    """A sender as a boundary declares it: the scheme, whence its secrets come, what is pinned."""

    scheme: "Scheme"
    secrets: Secret | str | tuple[Secret | str, ...] = field(repr=False)
    url: str | None
    tolerance: timedelta | None
    pins: dict[str, Any]

    def live(self) -> tuple[LiveSecret, ...]:
        """Read the secrets.

        Empty only where an optional one is unset. BoundaryError where one is bad.
        """
        if self.scheme.is_keyless(self.pins):
            if self.secrets != ():
                message = (
                    f"{self.scheme.name}: secrets= is read by nothing here: its key is fetched, or "
                    "it signs nothing. Leave one of the two out."
                )
                raise BoundaryError(message)
            return (NO_SECRET,)
        if self.secrets == () and self.scheme.keyed_by is not None:
            ways = [pin.name for pin in self.scheme.pins if pin.name.startswith("fetch_")]
            message = f"{self.scheme.name} names its key: pass {' or '.join(ways)}=, or secrets=."
            raise BoundaryError(message)
        return read_all(self.secrets)

    def require_vouched(self, at: datetime) -> None:
        """Refuse what comes once an unconfirmed sender may no longer be used.

        Raises:
            Refused: AUTHENTIC, code "unconfirmed_sender".
        """
        vouched = self.scheme.vouched
        if vouched is not None and not vouched.holds(at):
            raise Refused(
                AUTHENTIC,
                f"{self.scheme.name} is unconfirmed, and what let it be used has ended",
                code="unconfirmed_sender",
                hint="confirm it by a literal of the sender's, or renew it with a reviewer",
                answer=Answer.RETRY,
            )

    def opener(self, scope: str) -> Opener:
        """Compile for the live secrets.

        Raises:
            BoundaryError: a secret is bad, short, or not in the sender's form.
        """
        live = self.live()
        for secret in live:
            if secret is NO_SECRET:
                continue
            try:
                verifier: Verifier = self.scheme.keying(secret.value)
            except ValueError:
                message = (
                    f"Secret {secret.name} isn't in the form "
                    f"in which {self.scheme.name} hands it out."
                )
                raise BoundaryError(message) from None
            if verifier.is_short:
                message = (
                    f"Secret {secret.name} has fewer than 16 bytes once decoded. "
                    "Let the sender make a new one."
                )
                raise BoundaryError(message)
        return self.scheme.opener(
            live, scope=scope, url=self.url, tolerance=self.tolerance, **self.pins
        )

    def exclusive(self, scope: str, live: Sequence[LiveSecret]) -> dict[str, str]:
        """Return what no other boundary may have, each with what happens else and its mend.

        Args:
            scope: Of the boundary's keys.
            live: Its secrets.
        """
        scheme = self.scheme
        taken = {
            f"keys {scheme.name} {scope}": (
                "they would use up each other's keys. Give each its own scope=."
            )
        }
        for secret in live:
            mark = sha256(secret.value.encode()).hexdigest() if secret.value else scheme.name
            for cell in self._cells():
                taken[f"secret {mark} {cell}"] = (
                    "they share a secret, so that a delivery to one opens at the other. "
                    "Give each its own, or pin what the sender signs (livemode=)."
                )
        return taken

    def _cells(self) -> list[str]:
        if self.scheme.keyed_by is not None:
            return self._endpoints()
        # Only a pin of two values tells two endpoints apart; who leaves it out takes both.
        return [
            f"{pin.name}={value}"
            for pin in self.scheme.pins
            if pin.type is bool
            for value in (True, False)
            if self.pins.get(pin.name, value) is value
        ] or [""]

    def _endpoints(self) -> list[str]:
        # Where the key is the sender's own for everybody, a pin tells one endpoint's deliveries
        # from another's; where it signs nothing, what it says is asked for at the source.
        if not self.scheme.proves:
            return []
        owed = [self.pins[pin.name] for pin in self.scheme.pins if pin.is_owed]
        if not owed:
            return [f"key {id(value)}" for value in self.pins.values() if callable(value)] or [""]
        return [each for told in owed for each in ([told] if isinstance(told, str) else told)]
