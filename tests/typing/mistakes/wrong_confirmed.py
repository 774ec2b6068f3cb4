"""A handler that takes another confirmed type than its `confirm` returns."""

from sqlalchemy.ext.asyncio import AsyncSession

from pratique import Admitted
from pratique.webhook import Event
from tests.typing.payment_types import Subscription, aconfirm, alink, payments


@payments.on("x", confirm=aconfirm, once=lambda i: i.id, link=alink, allow=lambda i, s: True)
async def act(
    paid: Admitted[Event, Subscription, Subscription], db: AsyncSession
) -> None:  # Invoice is confirmed
    """Act."""
