"""Where single use and events are kept.

In the user's own database, in a file of ours, or nowhere.
"""

from .opening import memory, sqlalchemy, sqlite, sqlite3

__all__ = ["memory", "sqlalchemy", "sqlite", "sqlite3"]
