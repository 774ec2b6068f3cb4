"""A proof for reading handed to what refunds."""

from pratique import Proven
from tests.typing.action_types import Order, Read, refund


def call(order: Proven[Order, Read]) -> None:
    """Refund what may only be read."""
    refund(order)
