"""What is a port, and what isn't."""

import pytest

from pratique.fetch.port import is_port


@pytest.mark.parametrize("port", [1, 443, 65_535])
def test_a_port_is_a_number_up_to_65535(port: int) -> None:
    """Both edges are in."""
    assert is_port(port)


@pytest.mark.parametrize("port", [0, -1, 65_536, True, "443", 443.0, None])
def test_anything_else_is_no_port(port: object) -> None:
    """One beside each edge, and what Python would take for a number."""
    assert not is_port(port)
