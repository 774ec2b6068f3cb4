"""Opens the store of an application for one question of a command, and closes it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from pratique.core.store import AsyncStore, Store, SyncStore

T = TypeVar("T")


def asked(
    store: Store,
    *,
    on_loop: Callable[[AsyncStore], Awaitable[T]],
    here: Callable[[SyncStore], T],
    nothing: T,
) -> T:
    """Start a store, ask it, close it.

    One that has no face for an event loop is asked where none runs: Django's database refuses to
    be.

    Args:
        store: Of an application that this process doesn't start.
        on_loop: What is asked of its asynchronous face, where it has one.
        here: What is asked of its synchronous one.
        nothing: The answer of a store that has neither.

    Raises:
        BoundaryError: it may not start.
        StoreError: it doesn't answer.
    """
    if store.asynchronous is not None:
        return asyncio.run(_asked(store.asynchronous, on_loop))
    face = store.sync
    if face is None:
        return nothing
    face.start()
    try:
        return here(face)
    finally:
        face.close()


async def _asked(face: AsyncStore, on_loop: Callable[[AsyncStore], Awaitable[T]]) -> T:
    await face.start()
    try:
        return await on_loop(face)
    finally:
        await face.close()
