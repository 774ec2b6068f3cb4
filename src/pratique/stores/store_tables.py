"""The store's own tables in PostgreSQL, as statements for a migration."""

from typing import TYPE_CHECKING

from pratique.core.refusal import BoundaryError

from .owner_policy import quoted
from .schema import TABLE_NAMES, owner_statements

if TYPE_CHECKING:
    from sqlalchemy import MetaData


def store_tables(role: str) -> tuple[str, ...]:
    """Return the statements that make or upgrade the store's tables, and let a role use them.

    Run them as the owner of the schema, all in one transaction: on a new database and on one with
    tables of an earlier version, and as often as you like. A role that may create and alter tables
    needs none of them: the start makes and upgrades what is there.

    Args:
        role: As which the application connects.

    Raises:
        BoundaryError: a name that can't be one.

    Source: PostgreSQL, "GRANT"; NIST SP 800-53 AC-6 (least privilege).
    """
    grant = f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLE_NAMES)} TO {quoted(role)}"
    return (*owner_statements(), grant)


def metadata(into: "MetaData | None" = None) -> "MetaData":
    """Return the store's tables as SQLAlchemy's metadata: for Alembic, or `create_all`.

    Give Alembic your own with them in it, `target_metadata = stores.metadata(Base.metadata)`, and
    autogenerate writes a migration for each new version of them. Tables that were made so and hold
    no store yet are taken as they are at the first start.

    Args:
        into: To which they are added; a new one where it is left out.
    """
    from .sqlalchemy_store.metadata import tables

    return tables(into)


def lacks_the_right(error: Exception, role: str) -> BoundaryError:
    """Return what is said to a role that may neither make nor upgrade the tables."""
    needs = "; ".join(store_tables(role))
    return BoundaryError(
        f"{error}: the role {role} may neither make the store's tables or upgrade them nor use "
        f'what is there. Run as the owner of its schema what stores.store_tables("{role}") says: '
        f"{needs}"
    )
