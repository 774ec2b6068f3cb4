"""procrastinate on PostgreSQL: a kept delivery and the job that works it are one commit."""

from typing import Any, Final

from procrastinate import App, SyncPsycopgConnector
from procrastinate.manager import JobManager
from procrastinate.tasks import Task, configure_task

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.webhook import End, Webhook, Worked

QUEUE: Final = "pratique"
EVERY_MINUTE: Final = "* * * * *"
STALLED_SECONDS: Final = 30.0
"""procrastinate's own figure: three of its heartbeats."""


def inbox_task(
    app: "App", boundary: Webhook, *, queue: str = QUEUE, every: str = EVERY_MINUTE
) -> "Task[..., Any, Any]":
    """Return the task that works what a boundary keeps; its job is put in with the delivery.

        payments = perimeter.declare(Webhook("payments", …, inbox=Inbox()))
        inbox_task(app, payments)

    Jobs of workers that were killed stay "doing": a periodic task, which this adds, lets them be
    worked again, and tells again of what is due and has no job any more.

    Args:
        app: Of procrastinate, with its tables in the perimeter's own PostgreSQL database.
        boundary: Declared with an inbox, on a store whose sessions are connections of psycopg 3.
        queue: Of the jobs.
        every: How often the periodic task runs, as cron writes it.

    Raises:
        BoundaryError: the boundary isn't declared in a perimeter with a store, keeps no deliveries,
            or tells somebody else.
    """
    perimeter = boundary.perimeter
    if perimeter is None or perimeter.store is None:
        raise BoundaryError(
            f'Boundary "{boundary.name}": inbox_task comes after perimeter.declare(…), and the '
            "perimeter has a store."
        )
    name = f"pratique.{boundary.name}"
    make = _async_task if perimeter.store.sync is None else _sync_task
    task = make(app, boundary, perimeter, queue)

    @app.periodic(cron=every, periodic_id=name)
    @app.task(name=f"{name}.sweep", queue=queue, queueing_lock=f"{name}.sweep")
    async def swept(timestamp: int) -> None:  # pyright: ignore[reportUnusedFunction]
        _ = timestamp
        await retry_stalled(app, name)
        await perimeter.astart()
        await boundary.asweep()

    return task


async def retry_stalled(app: "App", task: str, *, seconds: float = STALLED_SECONDS) -> int:
    """Let the jobs of killed workers be worked again; return how many.

    Args:
        app: Of procrastinate, open.
        task: Name of the task.
        seconds: Since the last heartbeat of a worker that counts as killed.
    """
    jobs = await app.job_manager.get_stalled_jobs(task_name=task, seconds_since_heartbeat=seconds)
    count = 0
    for job in jobs:
        await app.job_manager.retry_job(job)
        count += 1
    return count


def _sync_task(
    app: "App", boundary: Webhook, perimeter: Perimeter, queue: str
) -> "Task[..., Any, Any]":
    @app.task(name=f"pratique.{boundary.name}", queue=queue)
    def work(id: str) -> None:
        perimeter.start()  # a worker tells nobody that it begins: the first job finds the debts
        again = _seconds(boundary.work(id))
        if again:
            work.configure(schedule_in={"seconds": again}).defer(id=id)

    # Once opened on an event loop, the app's connector awaits the connection that it is handed.
    jobs = JobManager(SyncPsycopgConnector())

    def tell(id: str, session: object) -> None:
        job = configure_task(
            name=work.name, job_manager=jobs, queue=queue, connection=_connection_of(session)
        )
        job.defer(id=id)

    boundary.tell(tell)
    return work


def _async_task(
    app: "App", boundary: Webhook, perimeter: Perimeter, queue: str
) -> "Task[..., Any, Any]":
    @app.task(name=f"pratique.{boundary.name}", queue=queue)
    async def work(id: str) -> None:
        await perimeter.astart()
        again = _seconds(await boundary.awork(id))
        if again:
            await work.configure(schedule_in={"seconds": again}).defer_async(id=id)

    async def tell(id: str, session: Any) -> None:
        connection = session
        if hasattr(session, "get_bind"):  # SQLAlchemy's
            raw = await (await session.connection()).get_raw_connection()
            connection = raw.driver_connection
        await work.configure(connection=connection).defer_async(id=id)

    boundary.tell(tell)
    return work


def _seconds(worked: Worked) -> int:
    """Return in how many seconds it is due again; 0 where nothing is left to tell of."""
    if worked.end is not End.AGAIN or worked.again_in is None:
        return 0
    return max(1, round(worked.again_in.total_seconds()))


def _connection_of(session: Any) -> Any:
    """Return the connection of psycopg that a session of the store is on."""
    if isinstance(session, str):  # Django's alias
        from django.db import connections

        return connections[session].connection
    if hasattr(session, "get_bind"):  # SQLAlchemy's
        return session.connection().connection.driver_connection
    return session
