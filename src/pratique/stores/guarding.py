"""What a guard of a user's transaction reads in a statement: does it end it, does it lock?"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

_ENDS_IT: Final = re.compile(
    r"(?:^|;)(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:commit|end|abort|begin|start\s+transaction|prepare\s+transaction|rollback(?!\s+to|\s+\w+\s+to))\b",
    re.IGNORECASE | re.DOTALL,
)
_LOCKS: Final = re.compile(r"\bFOR (?:NO KEY )?UPDATE(?: NOWAIT| SKIP LOCKED)?\s*$")
"""At the end, and of no one table: `FOR UPDATE OF other` locks the other."""
# Comments and literals in one pass: an apostrophe in a comment opens no literal. PostgreSQL ends a
# comment at a CR too, takes a backslash in E'…' for an escape, a "$" within a name for a letter.
QUOTED: Final = re.compile(
    r"""/\*.*?\*/|--[^\n\r]*|"(?:[^"]|"")*"|(?<![\w$])[eE]'(?:[^'\\]|''|\\.)*'"""
    r"""|'(?:[^']|'')*'|(?<![\w$])\$(\w*)\$.*?\$\1\$""",
    re.DOTALL,
)


@lru_cache(maxsize=512)
def ends_it(statement: str) -> bool:
    """Say whether a statement begins or ends a transaction; a savepoint does neither."""
    return _ENDS_IT.search(QUOTED.sub(" ", statement)) is not None


def locks_all(statements: Sequence[str], tables: Iterable[str]) -> bool:
    """Say whether each statement that read one of the tables locked what it read."""
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, tables))})\b")
    reads = [statement for statement in statements if names.search(statement)]
    return bool(reads) and all(_LOCKS.search(statement) for statement in reads)
