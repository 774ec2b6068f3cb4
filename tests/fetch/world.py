"""A small internet on loopback: names by script, every address one server, what was touched noted."""

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import aiohappyeyeballs
import anyio
import pytest
import trustme
import urllib3.util.connection

Answer = Callable[["Seen"], bytes]
_real_getaddrinfo = socket.getaddrinfo
_real_create_connection = socket.create_connection


class Seen:
    """One request as the server saw it."""

    def __init__(self, head: bytes, content: bytes, number: int, *, is_tls: bool) -> None:
        lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = lines[0].split(" ", 2)
        self.fields = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        self.content = content
        self.number = number
        self.is_tls = is_tls


def reply(status: int = 200, content: bytes = b"OK-FINAL", **fields: str) -> bytes:
    """Return an HTTP answer; a keyword `Content_Type` names the field Content-Type."""
    lines = {"Content_Type": "text/html", "Content_Length": str(len(content)), **fields}
    head = "".join(
        f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items() if value
    )
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + content


class Server:
    """Answers every connection, TLS or not, as the test says."""

    def __init__(self, authority: trustme.CA) -> None:
        self._authority = authority
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.answer: Answer = lambda _: reply()
        self.raw: Callable[[socket.socket], None] | None = None
        self.certificate_names: list[str] | None = None
        self.seen: list[Seen] = []
        self.sent = Event()
        """An answer was handed to the network: on loopback it lies at the other end then."""
        self.accepted = 0
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _context(self, name: str) -> ssl.SSLContext:
        names = self.certificate_names or [name]
        key = ",".join(names)
        if key not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(*names).configure_cert(context)
            self._contexts[key] = context
        return self._contexts[key]

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.settimeout(20)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            is_tls = connection.recv(1, socket.MSG_PEEK) == b"\x16"
            if is_tls:
                connection = self._wrapped(connection)
            self._talk(connection, is_tls=is_tls)
        except (OSError, ValueError):
            return
        finally:
            connection.close()

    def _wrapped(self, connection: socket.socket) -> ssl.SSLSocket:
        base = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("unnamed.test").configure_cert(base)

        def choose(tls: Any, name: str | None, _: Any) -> None:
            tls.context = self._context(name or "unnamed.test")

        base.sni_callback = choose
        return base.wrap_socket(connection, server_side=True)

    def _talk(self, connection: socket.socket, *, is_tls: bool) -> None:
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
            head, _, rest = buffer.partition(b"\r\n\r\n")
            seen = Seen(head, b"", len(self.seen), is_tls=is_tls)
            length = int(seen.fields.get("content-length", "0"))
            while len(rest) < length:
                rest += connection.recv(65536)
            seen.content, buffer = rest[:length], rest[length:]
            self.seen.append(seen)
            if self.raw is not None:
                self.raw(connection)
                return
            connection.sendall(self.answer(seen))
            self.sent.set()

    def close(self) -> None:
        """Stop."""
        self._socket.close()


@contextmanager
def quiet() -> Iterator[None]:
    """Let refusals that are meant say nothing in the log; afterwards it is as it was."""
    log = logging.getLogger("pratique")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def black_hole() -> Iterator[int]:
    """Give a port where nobody picks up: its backlog is full, so a connection hangs."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


class World:
    """The names, the server behind all addresses, and what was touched."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.names: dict[str, Any] = {}
        self.everywhere: list[str] = []
        """Where names lead that the script doesn't name."""
        self.dead: set[str] = set()
        self.ways: dict[str, int] = {}
        """Where "address:port" really leads on loopback, if not to the server."""
        self.touched: list[str] = []
        self.lookups: list[str] = []

    def getaddrinfo(self, host: Any, port: Any, *args: Any, **named: Any) -> Any:
        """Answer by the script; a literal is itself."""
        host = host.decode() if isinstance(host, bytes) else host
        try:
            socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
        except OSError:
            pass
        else:
            return _real_getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self.lookups.append(host)
        found = self.names.get(host, self.everywhere)
        if callable(found):
            found = found()
        if isinstance(found, dict) and "cname" in found:
            return self.getaddrinfo(found["cname"], port)
        if isinstance(found, dict):
            turn = min(self.lookups.count(host), len(found["sequence"])) - 1
            found = found["sequence"][turn]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in found
        ]

    def touch(self, address: str, port: int) -> tuple[str, int]:
        """Note a connection, and return where it really leads."""
        self.touched.append(f"{address}:{port}")
        if address in self.dead:
            return "127.0.0.1", 1
        return "127.0.0.1", self.ways.get(f"{address}:{port}", self.server.port)


@contextmanager
def small_internet(patch: pytest.MonkeyPatch, folder: Path) -> Iterator[World]:
    """Put the small internet in the place of the large one."""
    authority = trustme.CA()
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    patch.setenv("SSL_CERT_FILE", str(path))
    server = Server(authority)
    world = World(server)

    def create_connection(address: tuple[str, int], *args: Any, **named: Any) -> socket.socket:
        return _real_create_connection(world.touch(*address), *args, **named)

    def plain_connection(
        address: tuple[str, int], timeout: Any = None, *_: Any, **__: Any
    ) -> socket.socket:
        (found, *_) = world.getaddrinfo(*address)
        return create_connection(found[4][:2], timeout if isinstance(timeout, float) else None)

    real_connect_tcp = anyio.connect_tcp

    async def connect_tcp(remote_host: str, remote_port: int, **named: Any) -> Any:
        (found, *_) = world.getaddrinfo(remote_host, remote_port)
        return await real_connect_tcp(*world.touch(*found[4][:2]), **named)

    real_start_connection = aiohappyeyeballs.start_connection

    async def start_connection(addr_infos: Any, **named: Any) -> socket.socket:
        led = [
            (socket.AF_INET, *info[1:4], world.touch(*info[4][:2])) for info in addr_infos
        ]  # an address that is dead keeps its place: the library races them
        return await real_start_connection(led, **named)

    patch.setattr(aiohappyeyeballs, "start_connection", start_connection)
    patch.setattr(socket, "getaddrinfo", world.getaddrinfo)
    patch.setattr(socket, "create_connection", create_connection)
    patch.setattr(urllib3.util.connection, "create_connection", plain_connection)
    patch.setattr(anyio, "connect_tcp", connect_tcp)
    try:
        yield world
    finally:
        server.close()
