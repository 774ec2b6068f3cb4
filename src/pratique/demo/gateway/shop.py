"""The shop behind the gateway: its tables, and the endpoints that all three APIs have."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response, request

HOST: Final = "shop.example"
OFFICE: Final = "127.0.10.5"
"""The one address that may read the report."""
SOLD_IN: Final = "CH"
COUNTRY: Final = "CF-IPCountry"
"""The field in which the gateway says the client's country."""
LIMIT: Final = 5
"""Guesses of a password that one client has."""
PASSWORD: Final = "correct horse"
REPORT, DUMP, CARD = "report-of-the-office", "dump-of-everything", "card-4242"
"""What must not be shown: to who isn't the office, past the gateway's rules, over plain http."""
LINK: Final = f"https://{HOST}/reset?token=t1"
TABLES: Final = """
CREATE TABLE clients (address TEXT);
CREATE TABLE guesses (client TEXT);
CREATE TABLE mails (link TEXT);
CREATE TABLE orders (country TEXT);
CREATE TABLE notes (id TEXT PRIMARY KEY);
INSERT INTO notes VALUES ('n1');
"""
Value = tuple[str, int]
"""Text and status."""


@dataclass(frozen=True)
class Seeing:
    """How one API sees where a request comes from: all in which the three differ.

    Args:
        client: The address of the client.
        is_https: Whether the client came by https.
        base: What a link that goes out by mail begins with, up to its path.
        country: Of the client.
        may_read: Whether a page of that origin may read the answer, with credentials.
    """

    client: Callable[[], str]
    is_https: Callable[[], bool]
    base: Callable[[], str]
    country: Callable[[], str]
    may_read: Callable[[str], bool]


def make(path: Path) -> None:
    """Make the tables."""
    db = connect(str(path))
    db.executescript(TABLES)
    db.close()


def connect(path: str) -> sqlite3.Connection:
    """Open a shop's file; each statement commits."""
    return sqlite3.connect(path, timeout=5, isolation_level=None)


def with_endpoints(app: Flask, path: str, seeing: Seeing) -> Flask:
    """Give an API its endpoints."""
    _for_clients(app, path, seeing)
    _for_few(app, path, seeing)

    @app.after_request
    def with_cors(answer: Response) -> Response:
        origin = request.headers.get("Origin", "")
        if origin and seeing.may_read(origin):
            answer.headers["Access-Control-Allow-Origin"] = origin
            answer.headers["Access-Control-Allow-Credentials"] = "true"
        return answer

    return app


def _for_clients(app: Flask, path: str, seeing: Seeing) -> None:
    """Add what an address decides, or is written down for."""

    @app.get("/who")
    def who() -> str:
        _run(path, "INSERT INTO clients VALUES (?)", seeing.client())
        return seeing.client()

    @app.post("/login")
    def login() -> Value:
        client = seeing.client()
        _run(path, "INSERT INTO clients VALUES (?)", client)
        if len(_run(path, "SELECT 1 FROM guesses WHERE client = ?", client)) >= LIMIT:
            return "too many", 429
        _run(path, "INSERT INTO guesses VALUES (?)", client)
        return ("in", 200) if request.get_data(as_text=True) == PASSWORD else ("no", 401)

    @app.get("/report")
    def report() -> Value:
        return (REPORT, 200) if seeing.client() == OFFICE else ("not from here", 403)

    @app.post("/orders")
    def order() -> Value:
        country = seeing.country()
        if country != SOLD_IN:
            return "it isn't sold there", 403
        _run(path, "INSERT INTO orders VALUES (?)", country)
        return "ordered", 200


def _for_few(app: Flask, path: str, seeing: Seeing) -> None:
    """Add what scheme, host, path and method decide."""

    @app.post("/reset")
    def reset() -> str:
        _run(path, "INSERT INTO mails VALUES (?)", f"{seeing.base()}/reset?token=t1")
        return "look into your mail"

    @app.get("/card")
    def card() -> Value:
        return (CARD, 200) if seeing.is_https() else ("https only", 403)

    @app.get("/internal/dump")
    def dump() -> str:
        return DUMP  # the gateway lets nobody through to /internal

    @app.route("/notes/<note>", methods=["GET", "POST", "DELETE"])
    def notes(note: str) -> str:
        if request.method == "DELETE":  # the gateway lets no DELETE through
            _run(path, "DELETE FROM notes WHERE id = ?", note)
        return note


def _run(path: str, statement: str, *values: object) -> list[Any]:
    db = connect(path)
    found = db.execute(statement, values).fetchall()
    db.close()
    return found
