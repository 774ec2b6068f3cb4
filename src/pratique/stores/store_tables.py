"""The store's own tables in PostgreSQL, as statements for a migration."""

from .owner_policy import quoted
from .statements import POSTGRESQL, TABLE_NAMES


def store_tables(role: str) -> tuple[str, ...]:
    """Return the statements that make the store's tables and let the application's role use them.

    A role that may create tables needs none of them: the start makes what is absent.

    Args:
        role: As which the application connects.

    Raises:
        BoundaryError: a name that can't be one.

    Source: PostgreSQL, "GRANT"; NIST SP 800-53 AC-6 (least privilege).
    """
    grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLE_NAMES)} TO {quoted(role)}"
    return (*POSTGRESQL.tables(), grant)
