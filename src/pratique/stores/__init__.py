"""Where single use and events are kept.

In the user's own database, in a file of ours, or nowhere.
"""

from .opening import (
    from_url,
    memory,
    postgres,
    redis,
    row_level_security,
    sqlalchemy,
    sqlite,
    sqlite3,
)
from .owner_policy import owner_policy
from .revocations import By, revocations
from .store_tables import metadata, store_tables
from .sweeping import asweep, sweep

__all__ = [
    "By",
    "asweep",
    "from_url",
    "memory",
    "metadata",
    "owner_policy",
    "postgres",
    "redis",
    "revocations",
    "row_level_security",
    "sqlalchemy",
    "sqlite",
    "sqlite3",
    "store_tables",
    "sweep",
]
