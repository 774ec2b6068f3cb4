"""Take each lock of the fetch boundary away, or put a no-op in its place: it must not start, or an attack must succeed.

Run: python -m tests.faults.fetch_mutants
"""

import gzip
import ssl
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any
from unittest.mock import patch

import pytest

from pratique import Perimeter, Refused
from pratique.core.recorder import Recorder
from pratique.core.threads import Tally
from pratique.fetch import PUBLIC, Fetch, Fetcher, FetchPolicy, address, flow, policy, redirect
from pratique.fetch.budget import Budget
from pratique.fetch.wire import dial, pool
from tests.faults.noticed import NoOps, Row, deletion, report, with_no_ops, without
from tests.fetch.world import World, quiet, reply, small_internet

GOOD = "93.184.215.14"
KEY = "sk_live_9f8a7b6c5d4e3f2a"
NAMED = FetchPolicy(hosts={"a.test"}, schemes={"http"}, redirects=3)
OPEN = FetchPolicy(
    hosts=PUBLIC,
    schemes={"http", "https"},
    redirects=3,
    max_wire_bytes=50_000,
    max_content_bytes=100_000,
)
QUICK = FetchPolicy(hosts=PUBLIC, schemes={"http"}, deadline=timedelta(seconds=0.2))


@dataclass(frozen=True)
class Net:
    """What an attack is tried on."""

    world: World

    def get(
        self, policy: FetchPolicy, *urls: str, method: str = "GET", **claimed: Any
    ) -> bytes | None:
        """Fetch by one fetcher; return what came last, None where it was refused."""
        content = None
        recorder = Recorder((), count=Tally().add)
        with Fetcher(policy, recorder=recorder) as fetcher:
            for url in urls:
                claim = fetcher.boundary.claim(url, method=method, **claimed)
                try:
                    content = fetcher._fetch(claim, "").value.content
                except Refused:
                    content = None
        return content

    def leads(self, location: str, status: int = 302) -> None:
        """Let the server lead everything below /go there."""
        self.world.server.answer = lambda seen: (
            reply(status, b"", Location=location) if seen.target == "/go" else reply()
        )


def _look_alike(net: Net) -> bool:
    return net.get(NAMED, "http://evil-a.test/") is not None


def _another_port(net: Net) -> bool:
    return net.get(NAMED, "http://a.test:6379/") is not None


def _inside(net: Net) -> bool:
    net.world.names["a.test"] = ["10.0.0.7"]
    return net.get(OPEN, "http://a.test/", "http://127.0.0.1/") is not None


def _metadata(net: Net) -> bool:
    net.world.names["a.test"] = ["168.63.129.16"]
    return net.get(OPEN, "http://a.test/") is not None


def _rebound(net: Net) -> bool:
    net.world.names["a.test"] = {"sequence": [[GOOD], ["127.0.0.1"]]}
    net.get(OPEN, "http://a.test/")
    return "127.0.0.1:80" in net.world.touched


def _redirected(net: Net) -> bool:
    net.leads("http://b.test/")
    return net.get(NAMED, "http://a.test/go") is not None


def _downgraded(net: Net) -> bool:
    net.leads("http://b.test/")
    return net.get(OPEN, "https://a.test/go") is not None


def _content_passed_on(net: Net) -> bool:
    net.leads("http://b.test/", 307)
    net.get(OPEN, "http://a.test/go", method="POST", content=b"secret")
    return net.world.server.seen[-1].fields["host"] == "b.test"


def _key_passed_on(net: Net) -> bool:
    net.leads("http://b.test/")
    net.get(OPEN, "http://a.test/go", lines=[("X-Key", KEY)])
    return "x-key" in net.world.server.seen[-1].fields


def _bomb(net: Net) -> bool:
    net.world.server.answer = lambda _: reply(
        200, gzip.compress(bytes(200_000)), Content_Encoding="gzip"
    )
    return net.get(OPEN, "http://a.test/") is not None


def _too_long(net: Net) -> bool:
    net.world.server.answer = lambda _: reply(200, bytes(60_000))
    return net.get(OPEN, "http://a.test/") is not None


def _late(net: Net) -> bool:
    end = Event()

    def slow(connection: Any) -> None:
        end.wait(0.4)
        connection.sendall(reply())

    net.world.server.raw = slow
    return net.get(QUICK, "http://a.test/") is not None


def _a_script(net: Net) -> bool:
    net.world.server.answer = lambda _: reply(200, b"x", Content_Type="image/svg+xml")
    return net.get(OPEN, "http://a.test/") is not None


def _two_codings(net: Net) -> bool:
    net.world.server.answer = lambda _: reply(200, b"x", Content_Encoding="gzip, gzip")
    return net.get(OPEN, "http://a.test/") is not None


def _somebody_else(net: Net) -> bool:
    net.world.server.certificate_names = ["evil.test"]
    return net.get(OPEN, "https://a.test/") is not None


def _a_neighbour(net: Net) -> bool:
    net.world.server.certificate_names = ["a.test"]
    return net.get(OPEN, "https://a.test/", "https://b.test/") is not None


def _a_tunnel(net: Net) -> bool:
    net.get(OPEN, "http://a.test/", method="CONNECT")
    return bool(net.world.touched)


ATTACKS: dict[str, Callable[[Net], bool]] = {
    "FT-04 inside": _inside,
    "FT-03 metadata": _metadata,
    "FT-05 another host by a redirect": _redirected,
    "FT-05 from https to http": _downgraded,
    "FT-06 rebound": _rebound,
    "FT-10 a look-alike": _look_alike,
    "FT-11 another port": _another_port,
    "FT-13 a key passed on": _key_passed_on,
    "FT-14 a bomb": _bomb,
    "FT-14 too long": _too_long,
    "FT-14 late": _late,
    "FT-14 two codings": _two_codings,
    "FT-15 a script": _a_script,
    "FT-19 a tunnel": _a_tunnel,
    "FT-21 content passed on": _content_passed_on,
    "CWE-295 somebody else": _somebody_else,
    "CWE-295 a neighbour of one address": _a_neighbour,
}


@contextmanager
def network() -> Iterator[World]:
    """Give a small internet in which two names lead outside."""
    with (
        pytest.MonkeyPatch.context() as patched,
        tempfile.TemporaryDirectory() as folder,
        quiet(),
        small_internet(patched, Path(folder)) as world,
    ):
        yield world


def attack(world: World) -> list[str]:
    """Run every attack; return the names of those that did more than the policy names."""
    succeeded: list[str] = []
    for name, run in ATTACKS.items():
        world.names = {"a.test": [GOOD], "b.test": [GOOD], "evil-a.test": [GOOD]}
        world.server.raw, world.server.answer = None, lambda _: reply()
        world.server.certificate_names = None
        world.touched.clear()
        world.lookups.clear()
        world.server.seen.clear()
        for known in (NAMED, OPEN, QUICK):
            known.known.clear()
            known._addresses._known.clear()
        if run(Net(world)):
            succeeded.append(name)
    return succeeded


def _start(policy: FetchPolicy | None = None, **given: Any) -> None:
    perimeter = Perimeter()
    perimeter.declare(Fetch("f", policy or FetchPolicy(**given)))
    with perimeter:
        return


def deleted() -> list[Row]:
    """Delete each proof and each bound; say what the start says."""
    rows = [deletion("nothing", partial(_start, OPEN))]
    for obligation in sorted(Fetch.owes):
        declared = without(Fetch._declaration, obligation)
        with patch.object(Fetch, "_declaration", declared):
            rows.append(deletion(obligation, partial(_start, OPEN)))
    bounds: dict[str, Any] = {
        "hosts": set(),
        "schemes": set(),
        "ports": set(),
        "content_types": set(),
        "max_wire_bytes": 0,
        "max_content_bytes": 0,
        "deadline": timedelta(0),
    }
    for name, empty in bounds.items():
        given = {"hosts": PUBLIC, name: empty}
        rows.append(deletion(name, partial(_start, **given)))
    return rows


def believing() -> ssl.SSLContext:
    """Return what believes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _looked_up_again(
    self: Any, host: str, port: int, timeout: Any = None, *_: Any, **__: Any
) -> Any:
    budget = dial.budget_of(timeout)
    self._judge.judge(host, port, self._addresses(host, port, budget))
    again = self._addresses(host, port, budget)
    return dial._Stream(self._inner.connect_tcp(again[0], port, 5.0))


def _anywhere(url: str, _: FetchPolicy) -> Any:
    return gate(url, OPEN)


gate = redirect.gate


def mutants() -> NoOps:
    """Return each lock with the attack that it stops, and the no-op for its place."""
    nothing: Any = lambda *_, **__: None  # noqa: E731
    return {
        "the hosts of a policy": ("FT-10 a look-alike", [patch.object(FetchPolicy, "require", nothing)], {}),
        "the ports of a policy": ("FT-11 another port", [patch.object(FetchPolicy, "require", nothing)], {}),
        "the judge of addresses": ("FT-04 inside", [patch.object(FetchPolicy, "judge", lambda self, host, port, found: found)], {}),
        "metadata": ("FT-03 metadata", [patch.object(address, "METADATA", frozenset()), patch.object(policy, "METADATA", frozenset())], {}),
        "one lookup": ("FT-06 rebound", [patch.object(dial.GuardedBackend, "connect_tcp", _looked_up_again)], {}),
        "the gate of a redirect": ("FT-05 another host by a redirect", [patch.object(redirect, "gate", _anywhere)], {}),
        "TLS kept": ("FT-05 from https to http", [patch.object(redirect, "require_hop", nothing)], {}),
        "content kept": ("FT-21 content passed on", [patch.object(redirect, "require_hop", nothing)], {}),
        "fields kept": ("FT-13 a key passed on", [patch.object(redirect, "for_anybody", lambda lines: lines)], {}),
        "the cap of content": ("FT-14 a bomb", [patch.object(flow.Intake, "_take", nothing)], {}),
        "the cap of the wire": ("FT-14 too long", [patch.object(Budget, "take", nothing)], {}),
        "the deadline": ("FT-14 late", [patch.object(Budget, "left", lambda self: 5.0)], {}),
        "one coding": ("FT-14 two codings", [patch.object(flow, "decoder_of", nothing)], {}),
        "the media type": ("FT-15 a script", [patch.object(flow, "require_type", nothing)], {}),
        "no tunnel": ("FT-19 a tunnel", [patch.object(flow, "require_method", nothing)], {}),
        "the certificate": ("CWE-295 somebody else", [patch.object(pool, "tls_context", believing)], {}),
    }  # fmt: skip


def replaced() -> list[Row]:
    """Replace each lock by a no-op; say which attacks succeed."""
    with network() as world:
        return with_no_ops(mutants(), partial(attack, world))


if __name__ == "__main__":
    raise SystemExit(report(deleted() + replaced()))
