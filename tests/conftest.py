"""What every test can rely on: vectors that are counted, servers that CI may not skip."""

import gc
import os
import socket
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import settings

from tests import open_sockets, vector_files
from tests.pg import pg_server, pg_url
from tests.redis_server import redis_server, redis_url

__all__ = [
    "pg_server",
    "pg_url",
    "redis_server",
    "redis_url",
]  # fixtures are found by being named here

_handed_out: dict[str, int] = {}
settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")


def _loopback_alone(event: str, args: tuple[Any, ...]) -> None:
    """Refuse a connection of a test that leads off this machine: it would be a hole in a stub."""
    if event != "socket.connect" or args[0].family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = str(args[1][0])
    if not host.startswith("127.") and host not in ("::1", "localhost"):
        raise AssertionError(f"a test connects to {host}")


sys.addaudithook(_loopback_alone)
open_sockets.watch()


@pytest.fixture(scope="session")
def vectors() -> Callable[[str], list[dict[str, Any]]]:
    """Return a function that reads a file of vectors whole, or skips visibly where it is absent."""

    def read(name: str) -> list[dict[str, Any]]:
        path = vector_files.find(name)
        if path is None:
            pytest.skip(f"no vectors {name}: neither in PRATIQUE_VECTORS nor in tests/vectors")
        entries = vector_files.read(path)
        _handed_out[str(path)] = len(entries)
        return entries

    return read


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI, turn the skip of a test that needs a server into a failure."""
    report = yield
    needs_server = item.get_closest_marker("server") is not None
    if report.skipped and needs_server and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"CI=true and its server is missing: {report.longrepr}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let a socket say for which test it was made."""
    open_sockets.current = item.nodeid


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what one process of several counted to the one that prints it; fail for our leaks."""
    gc.collect()
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["vectors"] = _handed_out
        told["left_open"] = open_sockets.left_open
    elif any(ours for ours, _ in open_sockets.left_open):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of a process that ended."""
    told = getattr(node, "workeroutput", {})
    _handed_out.update(told.get("vectors", {}))
    open_sockets.left_open.extend(told.get("left_open", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many vectors of each file were handed to the tests, and who left a socket open."""
    for path, count in sorted(_handed_out.items()):
        terminalreporter.write_line(f"vectors: {count} entries of {path}")
    for ours, where in sorted(open_sockets.left_open):
        terminalreporter.write_line(f"left open by {'us' if ours else 'a test'}: {where}", red=ours)
