"""A raw event handed to a handler that takes a proven one."""

from sqlalchemy.ext.asyncio import AsyncSession

from pratique.webhook import Event
from tests.typing.payment_types import activate


async def call(event: Event, db: AsyncSession) -> None:
    """Call the handler around its proofs."""
    await activate(event, db)
