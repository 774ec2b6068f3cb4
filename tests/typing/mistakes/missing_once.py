"""A declaration without its business key."""

from sqlalchemy.ext.asyncio import AsyncSession

from pratique import Admitted
from pratique.webhook import Event
from tests.typing.payment_types import Invoice, Subscription, aconfirm, alink, payments


@payments.on("x", confirm=aconfirm, link=alink, allow=lambda i, s: True)
async def act(paid: Admitted[Event, Invoice, Subscription], db: AsyncSession) -> None:
    """Act."""
