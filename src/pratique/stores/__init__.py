"""Where single use and events are kept.

In the user's own database, in a file of ours, or nowhere.
"""

from .opening import memory, row_level_security, sqlalchemy, sqlite, sqlite3
from .owner_policy import owner_policy
from .store_tables import store_tables

__all__ = [
    "memory",
    "owner_policy",
    "row_level_security",
    "sqlalchemy",
    "sqlite",
    "sqlite3",
    "store_tables",
]
