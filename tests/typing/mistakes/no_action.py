"""A proof for no action in particular handed to what refunds."""

from pratique import Proven
from tests.typing.action_types import Order, refund


def call(order: Proven[Order]) -> None:
    """Refund what was proven for something."""
    refund(order)
