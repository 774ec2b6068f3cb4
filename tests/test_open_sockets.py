"""A socket that nobody closes is told with the test that made it."""

import gc
import socket

import pytest

from tests import open_sockets


def test_a_socket_left_open_is_booked_to_its_test() -> None:
    """It is closed by whoever tells of it, and names this test and this file."""
    here = socket.create_server(("127.0.0.1", 0))
    address = here.getsockname()
    del here
    gc.collect()
    ours, where = open_sockets.left_open.pop()
    assert not ours
    assert "test_a_socket_left_open_is_booked_to_its_test" in where
    assert "test_open_sockets.py" in where
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_a_socket_that_is_closed_is_not_told() -> None:
    """Its maker is forgotten."""
    before = list(open_sockets.left_open)
    socket.create_server(("127.0.0.1", 0)).close()
    gc.collect()
    assert open_sockets.left_open == before
