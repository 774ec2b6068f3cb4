"""Tables as pratique made them before it could upgrade any, word for word."""

from typing import Final

IDENTITY: Final = "5d1f0c4ad8f94b3f8f6c1c1f3b0e7a11"
_TABLES: Final = (
    "CREATE TABLE pratique_store (identity TEXT PRIMARY KEY, version INTEGER NOT NULL)",
    (
        "CREATE TABLE pratique_key (key BYTES PRIMARY KEY, state SMALLINT NOT NULL, token BIGINT "
        "NOT NULL, expires_ms BIGINT, fingerprint BYTES NOT NULL, result BYTES NOT NULL, "
        "crossing_id TEXT NOT NULL, at_ms BIGINT NOT NULL, record TEXT)"
    ),
    "CREATE INDEX pratique_key_event ON pratique_key (crossing_id) WHERE record IS NOT NULL",
    (
        "CREATE TABLE pratique_refusal (boundary TEXT NOT NULL, key BYTES NOT NULL, code TEXT "
        "NOT NULL, first_ms BIGINT NOT NULL, last_ms BIGINT NOT NULL, times BIGINT NOT NULL, "
        "crossing_id TEXT NOT NULL, record TEXT NOT NULL, content BYTES, "
        "PRIMARY KEY (boundary, key, code))"
    ),
    "CREATE INDEX pratique_refusal_crossing ON pratique_refusal (crossing_id)",
    f"INSERT INTO pratique_store VALUES ('{IDENTITY}', 1)",
)


def statements(dialect: str) -> tuple[str, ...]:
    """Return the statements of "sqlite" or "postgresql"."""
    blob = "BLOB" if dialect == "sqlite" else "BYTEA"
    return tuple(statement.replace("BYTES", blob) for statement in _TABLES)
