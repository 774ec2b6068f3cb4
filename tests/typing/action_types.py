"""Code that acts takes a value proven for that action: the right forms, which have no error."""

from typing import Literal

from pratique import Proven
from pratique.client import Page
from pratique.integrations.fastapi import Reach


class Order:
    """A row of ours."""

    total: int = 0


Read = Literal["read"]
Refund = Literal["refund"]


def show(order: Proven[Order]) -> int:
    """Read: any action's proof is enough."""
    return order.value.total


def refund(order: Proven[Order, Refund]) -> None:
    """Write: takes a proof of this action alone."""
    order.value.total = 0


def both(order: Proven[Order, Refund]) -> int:
    """A proof of an action is also a proof for whoever only reads."""
    refund(order)
    return show(order)


async def refund_each(orders: Reach[Order, Refund], keys: list[str]) -> None:
    """What is reached is proven for the action that the reach names."""
    for key in keys:
        refund(await orders(key))


def show_all(page: Proven[Page[Order], Literal["list"]]) -> list[int]:
    """A page is read like any other value."""
    return [order.total for order in page.value.rows]
