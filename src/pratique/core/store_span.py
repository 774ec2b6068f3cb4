"""Start and close a perimeter's store, by the driver that it has: on a thread, or on a loop."""

import asyncio

from .store import Store
from .threads import Pools


def start_store(store: Store) -> None:
    """Start a store on this thread.

    Raises:
        StoreError: it doesn't answer.
    """
    if store.sync is not None:
        store.sync.start()
    elif store.asynchronous is not None:
        asyncio.run(_start_elsewhere(store))


async def astart_store(store: Store, pools: Pools) -> None:
    """Start a store on the event loop; a sync one on a thread of *pools*.

    Raises:
        StoreError: it doesn't answer.
    """
    if store.asynchronous is not None:
        await store.asynchronous.start()
    elif store.sync is not None:
        await asyncio.wrap_future(pools.of().submit(store.sync.start))


def close_store(store: Store) -> None:
    """Let go of a store on this thread."""
    if store.sync is not None:
        store.sync.close()
    elif store.asynchronous is not None:
        asyncio.run(store.asynchronous.close())


async def aclose_store(store: Store, pools: Pools) -> None:
    """Let go of a store on the event loop; of a sync one on a thread of *pools*."""
    if store.asynchronous is not None:
        await store.asynchronous.close()
    elif store.sync is not None:
        await asyncio.wrap_future(pools.of().submit(store.sync.close))


async def _start_elsewhere(store: Store) -> None:
    if store.asynchronous is not None:
        await store.asynchronous.start()
        await store.asynchronous.close()  # its connections belong to this loop, which ends here
