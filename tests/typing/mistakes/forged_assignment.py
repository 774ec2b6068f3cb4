"""A proof for reading assigned to a name of another action."""

from pratique import Proven
from tests.typing.action_types import Order, Read, Refund


def call(order: Proven[Order, Read]) -> None:
    """Rename a proof."""
    forged: Proven[Order, Refund] = order
    assert forged
