"""The connections to Redis, one class for threads and one for an event loop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from threading import Lock
from types import NoneType
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

import redis
from redis import asyncio as aredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.retry import Retry

from pratique.core.forks import renew_after_fork
from pratique.core.refusal import StoreError

from . import nodes
from .scripts import GET
from .steps import IDENTITY, Ask, Asked, Steps
from .talk import Command, Talker

MAX_CONNECTIONS: Final = 64
"""More callers than that wait for one of them, no longer than for an answer; on a cluster, where it
is for each node, they are refused at once."""
T = TypeVar("T")
Clients = WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, AsyncGenerator[None, None]]]
CLOSED: Final = "the store is closed"


class Expected:
    """What both faces share: whether the store is open, and which one it must be.

    Every new connection must lead to the same one.
    """

    __slots__ = ("identity", "is_open")

    def __init__(self) -> None:
        self.identity = ""
        self.is_open = False

    def require(self, found: bytes | None) -> None:
        """Refuse a server that came back empty, or another one.

        Raises:
            Disconnected: with a StoreError as its cause.
        """
        if self.identity and found != self.identity.encode():
            what = "another store" if found else "empty"
            error = StoreError(
                f"Redis is {what} now: it was {self.identity}. What was handled before is "
                "forgotten there. Bring its data back; a new process can begin anew."
            )
            raise Disconnected(str(error)) from error


class Link:
    """Connections of threads."""

    def __init__(self, url: str, talker: Talker, expected: Expected) -> None:
        self._url, self._talker, self._expected = url, talker, expected
        self._lock = Lock()
        self._client: Any = None
        renew_after_fork(self, _lock=Lock, _client=NoneType)

    def reopen(self) -> None:
        """Let calls connect, anew."""
        self.close()
        self._expected.is_open = True

    def close(self) -> None:
        """Let go of every connection; later calls are refused."""
        self._expected.is_open = False
        client, self._client = self._client, None
        if client is not None:
            nodes.end(client)

    def do(self, steps: Steps[T]) -> T:
        """Carry steps out.

        Raises:
            StoreError: see `Talker.tell`.
        """
        try:
            asked = next(steps)
            while True:
                asked = steps.send(self._tell(asked))
        except StopIteration as end:
            return cast("T", end.value)

    def _tell(self, asked: Asked) -> Any:
        talk = self._talker.tell(asked)
        try:
            command = next(talk)
            while True:
                try:
                    answer = self._send(command)
                except Exception as error:  # noqa: BLE001  the talk decides what becomes of it
                    command = talk.throw(error)
                else:
                    command = talk.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            talk.close()

    def _send(self, command: Command) -> Any:
        client = self._running()
        kind, *words = command
        if kind == "SCAN":
            node, page = nodes.scan(client, words[0])
            return nodes.found(client, words[0], client.execute_command(*page, **node))
        if kind == "PLACE":
            return nodes.name(client, words[0])
        if kind == "TIME":
            return client.execute_command("TIME", **nodes.of(client, words[0]))
        if kind == "RAW":
            return [client.execute_command(*words, **node) for node in nodes.each(client)]
        return client.execute_command(*command)

    def _running(self) -> Any:
        if not self._expected.is_open:
            raise StoreError(CLOSED)
        client = self._client
        if client is None:
            with self._lock:
                client = self._client
                if client is None:
                    client = self._client = self._connect()
        return client

    def _connect(self) -> Any:
        retry = Retry(NoBackoff(), 0)
        return _client(redis, retry, self._url, self._talker.timeout, self._connected)

    def _connected(self, connection: Any) -> None:
        connection.on_connect()
        connection.send_command("GET", IDENTITY)
        self._expected.require(connection.read_response())


class AsyncLink:
    """Connections of event loops: each loop has its own, which go with it."""

    def __init__(self, url: str, talker: Talker, expected: Expected) -> None:
        self._url, self._talker, self._expected = url, talker, expected
        self._clients: Clients = WeakKeyDictionary()
        renew_after_fork(self, _clients=WeakKeyDictionary)
        self._giving_back: set[asyncio.Task[Any]] = set()

    async def reopen(self) -> None:
        """Let calls connect, anew."""
        await self.close()
        self._expected.is_open = True

    async def close(self) -> None:
        """Let go of this loop's connections; later calls are refused on every loop."""
        loop = asyncio.get_running_loop()
        if mine := [each for each in tuple(self._giving_back) if each.get_loop() is loop]:
            await asyncio.wait(mine)
        self._expected.is_open = False
        found = self._clients.pop(loop, None)
        if found is not None:
            await found[1].aclose()

    async def do(self, steps: Steps[T]) -> T:
        """See `Link.do`. What its caller gave up on is given back."""
        asked: Asked | None = None
        try:
            asked = next(steps)
            while True:
                asked = steps.send(await self._tell(asked))
        except StopIteration as end:
            return cast("T", end.value)
        except asyncio.CancelledError:
            if asked is not None:
                self._talker.forgive(asked)
            if self._talker.unknown and self._expected.is_open:
                task = asyncio.ensure_future(self._give_back())
                self._giving_back.add(task)
                task.add_done_callback(self._giving_back.discard)
            raise

    async def _give_back(self) -> None:
        with suppress(StoreError):
            await self._tell(_NOTHING)

    async def _tell(self, asked: Asked) -> Any:
        talk = self._talker.tell(asked)
        try:
            command = next(talk)
            while True:
                try:
                    answer = await self._send(command)
                except Exception as error:  # noqa: BLE001  the talk decides what becomes of it
                    command = talk.throw(error)
                else:
                    command = talk.send(answer)
        except StopIteration as end:
            return end.value
        finally:
            talk.close()

    async def _send(self, command: Command) -> Any:
        client = await self._running()
        kind, *words = command
        if nodes.is_cluster(client):
            await client.initialize()
        if kind == "SCAN":
            node, page = nodes.scan(client, words[0])
            return nodes.found(client, words[0], await client.execute_command(*page, **node))
        if kind == "PLACE":
            return nodes.name(client, words[0])
        if kind == "TIME":
            return await client.execute_command("TIME", **nodes.of(client, words[0]))
        if kind == "RAW":
            return [await client.execute_command(*words, **node) for node in nodes.each(client)]
        return await client.execute_command(*command)

    async def _running(self) -> Any:
        if not self._expected.is_open:
            raise StoreError(CLOSED)
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            client = self._connect()
            found = self._clients[loop] = (client, _until_the_loop_ends(client))
            await anext(found[1])
        return found[0]

    def _connect(self) -> Any:
        retry = AsyncRetry(NoBackoff(), 0)
        return _client(aredis, retry, self._url, self._talker.timeout, self._connected)

    async def _connected(self, connection: Any) -> None:
        await connection.on_connect()
        await connection.send_command("GET", IDENTITY)
        self._expected.require(await connection.read_response())


async def _until_the_loop_ends(client: Any) -> AsyncGenerator[None, None]:
    """Close a client at the latest when its loop ends, which ends every generator that it began."""
    try:
        yield
    finally:
        await client.aclose()


def _client(library: Any, retry: Any, url: str, timeout: float, connected: Any) -> Any:
    """Return a client of redis-py's one side or other; no connection is made yet."""
    given = options(timeout, retry)
    plain = nodes.plain(url)
    if plain is not None:
        return library.RedisCluster.from_url(plain, **given)
    pool = library.BlockingConnectionPool.from_url(
        url, timeout=timeout, redis_connect_func=connected, **given
    )
    return library.Redis.from_pool(pool)


def options(timeout: float, retry: Any) -> dict[str, Any]:
    """Return how connections are made. Nothing is sent again behind our back: see `Talker`."""
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "max_connections": MAX_CONNECTIONS,
        "retry": retry,
        "decode_responses": False,
        "protocol": 2,
    }


_NOTHING: Final = Ask(GET, IDENTITY)
