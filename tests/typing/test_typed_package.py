"""The package says that it is typed, so that the users' type checkers look into it."""

from importlib.resources import files


def test_the_package_is_marked_as_typed() -> None:
    """PEP 561: without py.typed every name of ours would be Any to mypy."""
    assert (files("pratique") / "py.typed").is_file()
