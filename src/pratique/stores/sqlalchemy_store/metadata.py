"""The store's tables as SQLAlchemy's metadata, read from the statements that make them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from pratique.core.refusal import BoundaryError
from pratique.stores.schema import VERSIONS

_TYPES: Final[dict[str, type[Any]]] = {
    "BYTES": LargeBinary,
    "TEXT": Text,
    "SMALLINT": SmallInteger,
    "INTEGER": Integer,
    "BIGINT": BigInteger,
}
_TABLE: Final = re.compile(r"CREATE TABLE IF NOT EXISTS (\w+) \((.*)\)", re.DOTALL)
_INDEX: Final = re.compile(
    r"CREATE (UNIQUE )?INDEX IF NOT EXISTS (\w+) ON (\w+) \(([\w, ]+)\)(?: WHERE (.+))?"
)
_COLUMN: Final = re.compile(r"(\w+) ([A-Z]+)(?: (NOT NULL))?( PRIMARY KEY)?")
_KEY: Final = re.compile(r"PRIMARY KEY \(([\w, ]+)\)")


def tables(into: MetaData | None) -> MetaData:
    """Add the store's tables to a metadata, or to a new one. See `pratique.stores.metadata`."""
    into = MetaData() if into is None else into
    for version in VERSIONS:
        for statement in version.statements:
            if made := _TABLE.fullmatch(statement):
                Table(made[1], into, *_columns(made[2]))
            elif index := _INDEX.fullmatch(statement):
                _add_index(into.tables[index[3]], index)
            else:
                message = f"no metadata can be read from {statement[:40]}"
                raise BoundaryError(message)
    return into


def _columns(body: str) -> Iterator[Column[Any]]:
    found = _KEY.search(body)
    keys = found[1].split(", ") if found else []
    for part in re.split(r", (?![^(]*\))", body):
        column = _COLUMN.fullmatch(part)
        if column is None:
            if _KEY.fullmatch(part):
                continue
            message = f"no column can be read from {part[:40]}"
            raise BoundaryError(message)
        name, kind, is_owed, is_key = column.groups()
        key = bool(is_key) or name in keys
        yield Column(name, _TYPES[kind], primary_key=key, nullable=not (key or is_owed))


def _add_index(table: Table, index: re.Match[str]) -> None:
    where = text(index[5]) if index[5] else None
    Index(
        index[2],
        *(table.c[name] for name in index[4].split(", ")),
        unique=bool(index[1]),
        postgresql_where=where,
        sqlite_where=where,
    )
