"""A handler that takes another row than its `link` returns."""

from sqlalchemy.ext.asyncio import AsyncSession

from pratique import Admitted
from pratique.webhook import Event
from tests.typing.payment_types import Invoice, aconfirm, alink, payments


@payments.on("x", confirm=aconfirm, once=lambda i: i.id, link=alink, allow=lambda i, s: True)
async def act(
    paid: Admitted[Event, Invoice, Invoice], db: AsyncSession
) -> None:  # Subscription is linked
    """Act."""
