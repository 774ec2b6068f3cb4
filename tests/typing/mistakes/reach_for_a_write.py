"""What is reached for reading, handed to what refunds."""

from typing import Literal

from pratique.integrations.fastapi import Reach
from tests.typing.action_types import Order, refund


async def call(orders: Reach[Order, Literal["read"]]) -> None:
    """Refund what was proven for reading."""
    refund(await orders("10"))
