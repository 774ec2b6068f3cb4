"""`pratique inbox`: what the boundaries of an application keep, and what an operator does to it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Annotated, Final, TypeVar, cast

import typer

from pratique.core.inbox import (
    AsyncInbox,
    Delivery,
    Listed,
    State,
    async_inbox_of,
    inbox_of,
)
from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError, StoreError
from pratique.core.store import Store
from pratique.core.threads import Pool
from pratique.webhook import Webhook, Worker
from pratique.webhook.working import OnLoop, on_a_thread

from .application import application
from .delivery_lines import facts_of, line_of
from .wording import counted, plain

T = TypeVar("T")
Asked = AsyncInbox | OnLoop
_STATES: Final = {state.name.lower(): state for state in State}
inbox = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # a local can be a secret
    help="List, show, replay and park kept deliveries; work them.",
)


def _utf8(told: T) -> T:
    """Return text, or a list of it; a shell hands on octets that are none as surrogates."""
    try:
        "".join(cast("Iterable[str]", told or ())).encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("it isn't UTF-8, and no row's name is anything else") from None
    return told


App = Annotated[
    str | None, typer.Option("--app", help="module:attribute; else PRATIQUE_APP, pyproject.toml.")
]
Ids = Annotated[
    list[str], typer.Argument(help="Of deliveries, as `list` shows them.", callback=_utf8)
]


@inbox.command("list")
def list_(
    app: App = None,
    boundary: Annotated[str, typer.Option(help="Of this boundary alone.", callback=_utf8)] = "",
    state: Annotated[str, typer.Option(help=f"{', '.join(_STATES)}.")] = "",
    after: Annotated[str, typer.Option(help="Go on after this id.", callback=_utf8)] = "",
    most: Annotated[int, typer.Option(help="Rows.", min=1, max=10_000)] = 100,
) -> None:
    """List kept deliveries, without anything that came with them."""
    if state and state not in _STATES:
        raise typer.BadParameter(f"a state is one of {', '.join(_STATES)}")
    wanted = _STATES[state] if state else None

    async def ask(found: Asked) -> Sequence[Listed]:
        rows: Sequence[Listed] = await found.listed(boundary, state=wanted, after=after, most=most)
        return rows

    rows = _asked(_perimeter(app), ask)
    for row in rows:
        typer.echo(line_of(row))
    if len(rows) == most:
        typer.echo(f"there may be more: --after {plain(rows[-1].id)}", err=True)


@inbox.command()
def show(
    id: Annotated[str, typer.Argument(help="Of a delivery, as `list` shows it.", callback=_utf8)],
    *,
    app: App = None,
    content: Annotated[
        bool, typer.Option("--content", help="What came too: it may hold personal data.")
    ] = False,
) -> None:
    """Show one kept delivery. What came with it is shown only when it is asked for."""

    async def ask(found: Asked) -> tuple[Listed, Delivery | None] | None:
        found_one: tuple[Listed, Delivery | None] | None = await found.show(id)
        return found_one

    told = _asked(_perimeter(app), ask)
    if told is None:
        typer.echo(f"{plain(id)}: no such delivery is kept", err=True)
        raise typer.Exit(1)
    for line in facts_of(*told, with_content=content):
        typer.echo(line)


@inbox.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(help="Of deliveries.", callback=_utf8)] = None,
    app: App = None,
    dead: Annotated[
        str, typer.Option(help="Every dead letter of this boundary.", callback=_utf8)
    ] = "",
) -> None:
    """Let dead or parked deliveries be worked again, at once and with all their attempts."""
    if bool(ids) == bool(dead):
        raise typer.BadParameter("name ids, or --dead BOUNDARY")

    async def ask(found: Asked) -> list[str]:
        chosen = list(ids or ())
        if dead:
            chosen = [row.id async for row in _every(found, dead, State.DEAD)]
        return [each for each in chosen if await found.move(each, State.WAITING)]

    _moved(_asked(_perimeter(app), ask), ids, "will be worked again", "will be worked again")


@inbox.command()
def park(ids: Ids, app: App = None) -> None:
    """Lay deliveries aside that wait or are dead: no worker takes them, until they are replayed."""

    async def ask(found: Asked) -> list[str]:
        return [each for each in ids if await found.move(each, State.PARKED)]

    _moved(_asked(_perimeter(app), ask), ids, "is parked", "are parked")


@inbox.command()
def work(
    *,
    app: App = None,
    boundary: Annotated[str, typer.Option(help="Of this boundary alone.")] = "",
    tasks: Annotated[int, typer.Option(help="Deliveries at once.", min=1, max=256)] = 4,
    idle: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.05)] = 1.0,
    once: Annotated[
        bool, typer.Option("--once", help="End when nothing is due, for a timer of yours.")
    ] = False,
) -> None:
    """Work what is due until SIGTERM or Ctrl-C; what is in hand is finished."""
    perimeter = _perimeter(app)
    chosen = _boundaries(perimeter, boundary)
    worker = Worker(chosen, tasks=tasks, idle=timedelta(seconds=idle))
    begun = f"working {', '.join(each.name for each in chosen)}, {tasks} at once; SIGTERM ends it"
    try:
        count = asyncio.run(_worked(perimeter, worker, None if once else begun))
    except (BoundaryError, StoreError) as error:
        typer.echo(f"nothing is worked: {error}", err=True)
        raise typer.Exit(1) from None
    if once:
        typer.echo(counted(count, "delivery was worked", "deliveries were worked"))


@inbox.command()
def sweep(
    app: App = None,
    boundary: Annotated[str, typer.Option(help="Of this boundary alone.")] = "",
) -> None:
    """Tell the queue again of what it forgot, and delete old rows of what is done."""
    perimeter = _perimeter(app)
    chosen = _boundaries(perimeter, boundary)

    async def swept() -> int:
        async with perimeter:
            return sum([await each.asweep() for each in chosen])

    try:
        count = asyncio.run(swept())
    except (BoundaryError, StoreError) as error:
        typer.echo(f"nothing is swept: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(counted(count, "delivery was told again", "deliveries were told again"))


async def _worked(perimeter: Perimeter, worker: Worker, begun: str | None) -> int:
    """Work until it is ended, and say so at the start; without words until nothing is due."""
    async with perimeter:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        if begun is None:
            return await worker.adrain()
        typer.echo(begun, err=True)
        await worker.arun()
        return 0


async def _every(found: Asked, boundary: str, state: State) -> AsyncIterator[Listed]:
    after = ""
    while True:
        rows: Sequence[Listed] = await found.listed(boundary, state=state, after=after, most=500)
        for row in rows:
            yield row
        if not rows:
            return
        after = rows[-1].id


def _asked(perimeter: Perimeter, ask: Callable[[Asked], Awaitable[T]]) -> T:
    store = perimeter.store
    if store is None:
        raise typer.BadParameter("the perimeter has no store")
    try:
        return asyncio.run(_asking(store, ask))
    except (BoundaryError, StoreError) as error:
        typer.echo(f"the store can't be asked: {error}", err=True)
        raise typer.Exit(1) from None


async def _asking(store: Store, ask: Callable[[Asked], Awaitable[T]]) -> T:
    face = store.asynchronous
    found = async_inbox_of(face)
    if face is not None and found is not None:
        await face.start()
        try:
            return await ask(found)
        finally:
            await face.close()
    return await _asking_a_sync_one(store, ask)


async def _asking_a_sync_one(store: Store, ask: Callable[[Asked], Awaitable[T]]) -> T:
    """Ask on threads, as a crossing does: Django's database can't be asked where a loop runs."""
    face = store.sync
    found = inbox_of(face)
    if face is None or found is None:
        raise typer.BadParameter(f"the store {store.name} keeps no inbox")
    pool = Pool()
    try:
        await on_a_thread(pool, face.start)
        try:
            return await ask(OnLoop(found, pool))
        finally:
            await on_a_thread(pool, face.close)
    finally:
        pool.close()


def _perimeter(app: str | None) -> Perimeter:
    return application(app).perimeter


def _boundaries(perimeter: Perimeter, name: str) -> list[Webhook]:
    every = [each for each in perimeter.boundaries if isinstance(each, Webhook)]
    found = [each for each in every if each.inbox is not None and name in ("", each.name)]
    if not found:
        raise typer.BadParameter("no such boundary of it keeps deliveries: Webhook(…, inbox=…)")
    return found


def _moved(moved: list[str], ids: list[str] | None, one: str, several: str) -> None:
    left = [each for each in ids or () if each not in moved]
    typer.echo(counted(len(moved), f"delivery {one}", f"deliveries {several}"))
    for each in left:
        typer.echo(
            f"{plain(each)}: it isn't there, is done, its state is unknown, or a worker has it",
            err=True,
        )
    if left:
        raise typer.Exit(1)
