"""What a guarded fetch costs beside the bare client: CPU a request on loopback, kept alive.

Run it: `python -m benchmarks.fetch`.

The server is a process of its own; what is counted is the CPU of this one. httpx2 is guarded as
where it is installed without httpx: on httpcore2, which the bare client stands on too.
"""

import asyncio
import logging
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx
import httpx2
import requests

from benchmarks.timing import least, row
from pratique.fetch import PUBLIC, FetchPolicy, Internal, gate
from pratique.fetch.address import AddressJudge
from pratique.integrations import httpx as on_httpx
from pratique.integrations.aiohttp import FetchConnector
from pratique.integrations.requests import mount
from tests.fetch.second_copy import on_httpcore2

REQUESTS, WARM, ROUNDS = 300, 20, 12
on_httpx2 = on_httpcore2()


class Handler(BaseHTTPRequestHandler):
    """Answers 1 KiB of html and keeps the connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "1024")
        self.end_headers()
        self.wfile.write(bytes(1024))

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Sends what it has at once: Nagle's algorithm would wait for the client's acknowledgement."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().finish_request(request, client_address)


def _serve(ports: Any) -> None:
    server = Server(("127.0.0.1", 0), Handler)
    ports.put(server.server_port)
    server.serve_forever()


@contextmanager
def server() -> Iterator[int]:
    """Run the server; yield its port."""
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=_serve, args=(ports,), daemon=True)
    process.start()
    yield ports.get(timeout=30)
    process.terminate()
    process.join()


def policy_for(port: int) -> FetchPolicy:
    """Return a policy that admits the server, by the narrow way that an internal service has."""
    way = Internal("localhost", "127.0.0.0/8", port, "the benchmark's own server")
    return FetchPolicy(hosts=PUBLIC, schemes={"http"}, internal=[way])


def cpu(work: Callable[[], None]) -> float:
    """Return the microseconds of CPU that one request takes."""
    begin = time.process_time()
    work()
    return (time.process_time() - begin) / REQUESTS * 1e6


def by_httpx(url: str, library: Any, transport: Any = None) -> float:
    """Measure the sync client of httpx or httpx2."""
    with library.Client(trust_env=False, transport=transport) as client:
        for _ in range(WARM):
            client.get(url)
        return cpu(lambda: [client.get(url).read() for _ in range(REQUESTS)] and None)


def by_requests(url: str, policy: FetchPolicy | None) -> float:
    """Measure requests."""
    with requests.Session() as session:
        session.trust_env = False
        if policy is not None:
            mount(session, policy)
        for _ in range(WARM):
            session.get(url)
        return cpu(lambda: [session.get(url).content for _ in range(REQUESTS)] and None)


def by_async_httpx(url: str, library: Any, door: Any, policy: FetchPolicy | None) -> float:
    """Measure the async client of httpx or httpx2."""

    async def work() -> float:
        transport = door.AsyncFetchTransport(policy) if policy is not None else None
        async with library.AsyncClient(trust_env=False, transport=transport) as client:
            for _ in range(WARM):
                await client.get(url)
            begin = time.process_time()
            for _ in range(REQUESTS):
                await client.get(url)
            return (time.process_time() - begin) / REQUESTS * 1e6

    return asyncio.run(work())


def by_aiohttp(url: str, policy: FetchPolicy | None) -> float:
    """Measure aiohttp."""

    async def work() -> float:
        connector = FetchConnector(policy) if policy is not None else aiohttp.TCPConnector()
        async with aiohttp.ClientSession(connector=connector) as session:
            begin = 0.0
            for number in range(REQUESTS + WARM):
                if number == WARM:
                    begin = time.process_time()
                async with session.get(url) as answer:
                    await answer.read()
            return (time.process_time() - begin) / REQUESTS * 1e6

    return asyncio.run(work())


def main() -> None:
    """Print the table."""
    logging.getLogger("pratique").setLevel(logging.ERROR)
    with server() as port:
        url, policy = f"http://localhost:{port}/", policy_for(port)
        ways: dict[str, tuple[Callable[[], float], Callable[[], float], float]] = {
            "httpx": (
                lambda: by_httpx(url, httpx),
                lambda: by_httpx(url, httpx, on_httpx.FetchTransport(policy)),
                1.10,
            ),
            "async httpx": (
                lambda: by_async_httpx(url, httpx, on_httpx, None),
                lambda: by_async_httpx(url, httpx, on_httpx, policy),
                1.20,
            ),
            "httpx2": (
                lambda: by_httpx(url, httpx2),
                lambda: by_httpx(url, httpx2, on_httpx2.FetchTransport(policy)),
                1.10,
            ),
            "async httpx2": (
                lambda: by_async_httpx(url, httpx2, on_httpx2, None),
                lambda: by_async_httpx(url, httpx2, on_httpx2, policy),
                1.20,
            ),
            "requests": (lambda: by_requests(url, None), lambda: by_requests(url, policy), 1.10),
            "aiohttp": (lambda: by_aiohttp(url, None), lambda: by_aiohttp(url, policy), 1.25),
        }
        best = {name: [float("inf")] * 2 for name in ways}
        for _ in range(ROUNDS):
            for name, (bare, guarded, _) in ways.items():
                best[name] = [min(best[name][0], bare()), min(best[name][1], guarded())]
    for name, (bare_cost, guarded_cost) in best.items():
        share, target = guarded_cost / bare_cost, ways[name][2]
        print(f"{name}: bare {bare_cost:.0f} µs, guarded {guarded_cost:.0f} µs of CPU")
        row(f"{name}, × of the bare client", share, f"<= {target}", ok=share <= target)
    judge, anything = AddressJudge(), FetchPolicy(hosts=PUBLIC)

    def unknown() -> None:
        judge._known.clear()  # noqa: SLF001  what a new answer costs
        judge.is_good("2606:4700::1111")

    costs = least(
        {
            "gate, µs": lambda: gate("https://img.example.com/a/b.png?w=100&h=100", anything),
            "address, new, µs": unknown,
            "address, known, µs": lambda: judge.is_good("93.184.215.14"),
        },
        loops=dict.fromkeys(("gate, µs", "address, new, µs", "address, known, µs"), 5000),
    )
    for name, target in (("gate, µs", 6), ("address, new, µs", 6), ("address, known, µs", 1)):
        row(name, costs[name], f"<= {target}", ok=costs[name] <= target)


if __name__ == "__main__":
    main()
