"""Receive now, work later: what is kept, what is answered, and what came of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.shop import Shop, astarted
from tests.webhook.inbox.shops import KINDS, on, received


@pytest.fixture(params=KINDS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """Return a started shop that keeps its deliveries."""
    made = on(request.param, request, tmp_path)
    async with astarted(made):
        yield made


async def test_a_delivery_is_kept_and_its_effect_comes_with_a_worker(shop: Shop) -> None:
    """202 at once, no effect; one effect when somebody works it, and none when it comes again."""
    refused = await received(shop)
    assert (refused.code, refused.status, refused.answer) == ("received", 202, "acknowledge")
    assert shop.row["upgrades"] == 0
    assert (await shop.payments.ainbox_status()).pending == 1
    assert await shop.payments.worker().adrain() == 1
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)
    assert (await shop.payments.ainbox_status()).pending == 0
    again = await received(shop)
    assert (again.code, again.status) == ("received_before", 202)
    assert await shop.payments.worker().adrain() == 0
    assert shop.row["upgrades"] == 1
