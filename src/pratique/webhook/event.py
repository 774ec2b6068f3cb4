"""What a sender says happened: a trigger for proofs, not a fact."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic

import msgspec

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=bytes)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)


class Event(msgspec.Struct, Generic[T_co], frozen=True):
    """One webhook event.

    Only what the sender signed may stand in it, the type of some senders excepted (a hint).

    Attributes:
        id: The sender's id of the event, "" where none is signed.
        type: "invoice.paid".
        account: The tenant at the sender, "" where it has none.
        object_id: The object that it is about, fit for a path: letters, digits, "_-.:", at most
            255; "" where none is named.
        sent: Seconds since 1970, when the sender says that it spoke; None where it signs no time.
        content: Typed where `on(content=…)` names a type, else the bytes.
    """

    id: str
    type: str
    account: str
    object_id: str
    sent: int | None
    content: T_co

    @property
    def sent_at(self) -> datetime | None:
        """Return when the sender says that it spoke, UTC; None where it signs no time."""
        return datetime.fromtimestamp(self.sent, UTC) if self.sent is not None else None
