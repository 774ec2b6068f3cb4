"""An object without a proof handed to what takes a proven one."""

from tests.typing.action_types import Order, refund, show


def call(order: Order) -> None:
    """Act on what nobody proved."""
    show(order)
    refund(order)
