"""The demonstration waits for its processes, and isn't fooled by a connection to itself."""

import socket
from typing import Any

import pytest

from pratique.demo.processes import listens


def to_itself(address: Any) -> socket.socket:
    """Return what connecting to a free port gives once in a while: a connection to itself."""
    found = socket.socket()
    found.bind(("127.0.0.1", 0))
    found.connect(found.getsockname())
    return found


def test_a_connection_to_itself_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens, and yet it connects; where somebody does, it is a server."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listens(port)
        monkeypatch.setattr(socket, "create_connection", to_itself)
        assert not listens(port)
        monkeypatch.undo()
    assert not listens(port)
