"""The store's tables, version by version, and how those that are there are upgraded in place."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pratique.core.refusal import BoundaryError

from .statements import POSTGRESQL, Dialect, Steps

_log: Final = logging.getLogger("pratique")
NO_RIGHT: Final = "42501"
"""insufficient_privilege, as PostgreSQL counts its errors."""


@dataclass(frozen=True, slots=True)
class Version:
    """What one version of the tables adds to the one before.

    A version only adds, and what it adds is optional: processes of the version before go on
    reading and writing while theirs are being replaced. PostgreSQL's statements may be run again
    (IF NOT EXISTS); SQLite's run once, in the transaction that writes the version.

    Args:
        number: One more than that of the version before.
        tables: Names of the tables that it makes.
        statements: For every database, in order. BYTES stands for its type of bytes.
        own: Further statements by the name of the one database that they are for.
    """

    number: int
    tables: tuple[str, ...]
    statements: tuple[str, ...]
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def of(self, dialect: Dialect) -> tuple[str, ...]:
        """Return its statements in one database's words."""
        every = (*self.statements, *self.own.get(dialect.name, ()))
        return tuple(statement.replace("BYTES", dialect.blob) for statement in every)


VERSIONS: Final = (
    Version(
        1,
        ("pratique_store", "pratique_key", "pratique_refusal"),
        (
            (
                "CREATE TABLE IF NOT EXISTS pratique_store (identity TEXT NOT NULL PRIMARY KEY, "
                "version INTEGER NOT NULL)"
            ),
            # state 0 held, 1 settled, 2 taken back. token grows with each takeover and is never
            # given twice; of what was taken back it is the moment in milliseconds. A settled key
            # stays for good, unless its kind is one that core/sweep.py lets go. A key that is
            # counted is held till its window ends, token says how often. record: the event of the
            # crossing, beside the last of its keys: that one outlives the others.
            (
                "CREATE TABLE IF NOT EXISTS pratique_key (key BYTES NOT NULL PRIMARY KEY, "
                "state SMALLINT NOT NULL, token BIGINT NOT NULL, expires_ms BIGINT, "
                "fingerprint BYTES NOT NULL, result BYTES NOT NULL, crossing_id TEXT NOT NULL, "
                "at_ms BIGINT NOT NULL, record TEXT)"
            ),
            (
                "CREATE INDEX IF NOT EXISTS pratique_key_event ON pratique_key (crossing_id) "
                "WHERE record IS NOT NULL"
            ),
            # One row a (boundary, key, code): a delivery replayed for ever fills no disk.
            # content: it is a dead letter.
            (
                "CREATE TABLE IF NOT EXISTS pratique_refusal (boundary TEXT NOT NULL, "
                "key BYTES NOT NULL, code TEXT NOT NULL, first_ms BIGINT NOT NULL, "
                "last_ms BIGINT NOT NULL, times BIGINT NOT NULL, crossing_id TEXT NOT NULL, "
                "record TEXT NOT NULL, content BYTES, PRIMARY KEY (boundary, key, code))"
            ),
            (
                "CREATE INDEX IF NOT EXISTS pratique_refusal_crossing ON pratique_refusal "
                "(crossing_id)"
            ),
        ),
    ),
    Version(
        2,
        (),
        (
            # Contents that are old are found without reading the refusals that have none.
            (
                "CREATE INDEX IF NOT EXISTS pratique_refusal_content ON pratique_refusal (last_ms) "
                "WHERE content IS NOT NULL"
            ),
        ),
    ),
    Version(
        3,
        ("pratique_inbox",),
        (
            # state as core/inbox.py counts. due_ms: from when on a worker may take it; while one
            # has it, when its lease ends. token grows with each taking. brought: fields and
            # hand-over as they came, JSON. What is done keeps its row a while, without content.
            (
                "CREATE TABLE IF NOT EXISTS pratique_inbox (id TEXT NOT NULL PRIMARY KEY, "
                "boundary TEXT NOT NULL, key BYTES NOT NULL, state SMALLINT NOT NULL, "
                "token BIGINT NOT NULL, attempts BIGINT NOT NULL, due_ms BIGINT NOT NULL, "
                "changed_ms BIGINT NOT NULL, received_us BIGINT NOT NULL, content BYTES NOT NULL, "
                "brought BYTES NOT NULL, code TEXT NOT NULL, crossing_id TEXT NOT NULL, "
                "last_id TEXT NOT NULL)"
            ),
            (
                "CREATE INDEX IF NOT EXISTS pratique_inbox_due ON pratique_inbox "
                "(boundary, due_ms) WHERE state IN (0, 1)"
            ),
            (
                "CREATE INDEX IF NOT EXISTS pratique_inbox_done ON pratique_inbox "
                "(boundary, changed_ms) WHERE state = 2"
            ),
            (
                "CREATE INDEX IF NOT EXISTS pratique_inbox_aside ON pratique_inbox "
                "(boundary, state) WHERE state IN (3, 4)"
            ),
        ),
    ),
)
SCHEMA_VERSION: Final = VERSIONS[-1].number
TABLE_NAMES: Final = tuple(name for version in VERSIONS for name in version.tables)


class Found(NamedTuple):
    """The store that is there: no identity where none was begun, version 0 where tables lack."""

    identity: str
    version: int


def found(dialect: Dialect) -> Steps[Found]:
    """Look which store is there, and of what version; change nothing.

    Raises:
        BoundaryError: a store whose tables somebody dropped.
    """
    # The version first, then the tables: between the two an upgrade may be committed, and what is
    # there is never less than what an earlier look at the version owes.
    rows: Sequence[Sequence[object]] = ()
    if (yield _present(dialect, TABLE_NAMES[:1]), {}).rows:
        rows = (
            yield "SELECT identity, version FROM pratique_store ORDER BY version DESC, identity", {}
        ).rows
    present = {row[0] for row in (yield _present(dialect, TABLE_NAMES), {}).rows}
    if not rows:
        # Made by an owner's statements or from Django's models, and never started.
        return Found("", SCHEMA_VERSION if present == set(TABLE_NAMES) else 0)
    known = Found(str(rows[0][0]), int(str(rows[0][1])))
    owed = {
        name for version in VERSIONS if version.number <= known.version for name in version.tables
    }
    if known.version <= SCHEMA_VERSION and not owed <= present:
        # An upgrade may have been committed between the two questions: its tables are there then.
        present = {row[0] for row in (yield _present(dialect, TABLE_NAMES), {}).rows}
    if known.version <= SCHEMA_VERSION and not owed <= present:
        message = (
            f"the store {known.identity} has lost its table {', '.join(sorted(owed - present))}: "
            "what it kept would be new again. Restore it from a backup."
        )
        raise BoundaryError(message)
    return known


def make_tables(dialect: Dialect, identity: str, *, expected: str = "") -> Steps[str]:
    """Make what is absent, or upgrade what is there; return the store's identity.

    One process at a time, in the caller's transaction. Where there is nothing to do, nothing is
    written: CREATE TABLE IF NOT EXISTS asks for the right to create also then.

    Args:
        dialect: The database's.
        identity: Of the store, where this one is begun.
        expected: The identity that must be found; "" for any, a new one included.

    Raises:
        BoundaryError: tables of a later version, tables that are gone, another identity.
    """
    known = yield from found(dialect)
    _check(known, expected)
    if known.identity and known.version == SCHEMA_VERSION:
        return known.identity
    for statement in dialect.alone:
        yield statement, {}
    known = yield from found(dialect)  # as it is now that nobody else changes it
    _check(known, expected)
    for statement in upgrade(dialect, known.version):
        yield statement, {}
    if known.identity:
        yield "UPDATE pratique_store SET version = :version", {"version": SCHEMA_VERSION}
        return known.identity
    yield (
        "INSERT INTO pratique_store (identity, version) VALUES (:identity, :version)",
        {"identity": identity, "version": SCHEMA_VERSION},
    )
    _log.info("a new store of keys and events begins: its identity is %s", identity)
    return identity


def upgrade(dialect: Dialect, version: int) -> tuple[str, ...]:
    """Return the statements that lead from a version of the tables to ours; from 0, all."""
    return tuple(
        statement for later in VERSIONS if later.number > version for statement in later.of(dialect)
    )


def owner_statements() -> tuple[str, ...]:
    """Return PostgreSQL's statements for a fresh store and for an older one alike."""
    ours = f"UPDATE pratique_store SET version = {SCHEMA_VERSION} WHERE version < {SCHEMA_VERSION}"  # noqa: S608  a number of ours
    return (*upgrade(POSTGRESQL, 0), ours)


def _check(known: Found, expected: str) -> None:
    if known.version > SCHEMA_VERSION:
        message = (
            f"the store's tables have version {known.version}, this pratique knows "
            f"{SCHEMA_VERSION}. Upgrade pratique."
        )
        raise BoundaryError(message)
    if expected and known.identity != expected:
        what = f"is the store {known.identity}" if known.identity else "holds no store"
        message = (
            f"the database {what}, and {expected} was expected: what that one kept would be new "
            "again. Is it another database, or an empty one? Give pratique the right one, or "
            "declare the identity of this one."
        )
        raise BoundaryError(message)


def _present(dialect: Dialect, names: Sequence[str]) -> str:
    return dialect.present.format(names=", ".join(f"'{name}'" for name in names))
