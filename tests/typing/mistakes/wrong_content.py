"""A handler that takes another content than `on(content=…)` names."""

from sqlalchemy.ext.asyncio import AsyncSession

from pratique import Admitted
from pratique.webhook import Event
from tests.typing.payment_types import (
    Invoice,
    InvoicePaid,
    Subscription,
    alink,
    confirm_content,
    payments,
)


@payments.on(
    "x",
    content=InvoicePaid,
    confirm=confirm_content,
    once=lambda i: i.id,
    link=alink,
    allow=lambda i, s: True,
)
async def act(
    paid: Admitted[Event[Invoice], Invoice, Subscription], db: AsyncSession
) -> None:  # InvoicePaid is the content
    """Act."""
