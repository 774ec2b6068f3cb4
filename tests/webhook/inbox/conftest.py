"""Engines that don't outlive a test."""

import gc
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture(autouse=True)
async def _no_open_engines() -> AsyncIterator[None]:
    yield
    for thing in gc.get_objects():
        if type(thing) is Engine:
            thing.dispose()
        elif type(thing) is AsyncEngine:
            await thing.dispose()
