"""An HTTP/2 server on loopback, by the library h2: answers each stream as the test says."""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from threading import Thread, current_thread

import h2.config
import h2.connection
import h2.events
import trustme

Lines = list[tuple[str, str]]
Reply = Callable[[dict[str, str]], tuple[Lines, list[bytes], bool]]
"""(fields of the request) -> (fields, frames, whether the stream ends)."""


def plain(_: dict[str, str]) -> tuple[Lines, list[bytes], bool]:
    """Answer a short page."""
    return [(":status", "200"), ("content-type", "text/html")], [b"OK-H2"], True


class H2Server:
    """Speaks HTTP/2 where ALPN says so."""

    def __init__(self, authority: trustme.CA, name: str, alpn: tuple[str, ...] = ("h2",)) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self._context.set_alpn_protocols(list(alpn))
        self.reply: Reply = plain
        self.seen: list[dict[str, str]] = []
        self.connections = 0
        self.open: list[tuple[ssl.SSLSocket, Thread]] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError, ssl.SSLError, h2.exceptions.ProtocolError):
            raw.settimeout(20)
            with self._context.wrap_socket(raw, server_side=True) as tls:
                self.open.append((tls, current_thread()))
                self._speak(tls)

    def _speak(self, tls: ssl.SSLSocket) -> None:
        speaks = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        speaks.initiate_connection()
        tls.sendall(speaks.data_to_send())
        while data := tls.recv(65536):
            for event in speaks.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    self._answer(speaks, event, tls)
            tls.sendall(speaks.data_to_send())

    def _answer(
        self,
        speaks: h2.connection.H2Connection,
        event: h2.events.RequestReceived,
        tls: ssl.SSLSocket,
    ) -> None:
        asked = {
            (n.decode() if isinstance(n, bytes) else n): (v.decode() if isinstance(v, bytes) else v)
            for n, v in event.headers
        }
        self.seen.append(asked)
        lines, frames, ends = self.reply(asked)
        speaks.send_headers(event.stream_id, lines)
        for frame in frames:
            room = speaks.local_flow_control_window(event.stream_id)
            speaks.send_data(event.stream_id, frame[:room])
            tls.sendall(speaks.data_to_send())
        if ends:
            speaks.end_stream(event.stream_id)

    def hang_up(self) -> None:
        """End every connection.

        Whoever serves one closes it: a number that is closed under a reader is given to the next
        connection, and the reader then takes that one's bytes.
        """
        for tls, serving in self.open:
            with suppress(OSError):
                socket.socket.shutdown(tls, socket.SHUT_RDWR)
            serving.join(20)
        self.open.clear()

    def close(self) -> None:
        """Stop."""
        self._socket.close()
        self.hang_up()
