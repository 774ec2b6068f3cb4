"""The shop on Flask, for a server that is a process of its own."""

from pathlib import Path

from flask import Flask

from tests.attacks.door import flask_app_of
from tests.shop import plain_sqlite3


def made(folder: str) -> Flask:
    """Return the application with a new database in a folder."""
    return flask_app_of(plain_sqlite3(Path(folder) / "shop.db"))
