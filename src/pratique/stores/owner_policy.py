"""The statements that let PostgreSQL hold back rows of others, and what is judged of a policy."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from pratique.core.refusal import BoundaryError

SETTING: Final = "app.principal"
POLICY: Final = "pratique_owner"
_MAX_NAME: Final = 63
"""Bytes of an identifier; PostgreSQL cuts off the rest. Source: NAMEDATALEN."""
_TYPES: Final = ("text", "uuid", "bigint", "integer")
_SETTING: Final = re.compile(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)+")
# (what it is called, commands of pg_policy that count, whether it is about rows as written)
_SIDES: Final = (
    ("SELECT", "r*", False),
    ("INSERT", "a*", True),
    ("UPDATE", "w*", False),
    ("UPDATE", "w*", True),
    ("DELETE", "d*", False),
)


class Policy(NamedTuple):
    """A row of pg_policy that applies to the role; expressions as PostgreSQL writes them."""

    name: str
    command: str
    """ "r", "a", "w", "d", or "*" for all of them."""
    is_permissive: bool
    using: str | None
    with_check: str | None

    def condition(self, *, written: bool) -> str | None:
        """Return what a row must fulfil; WITH CHECK is USING where it is left out."""
        return self.using if not written or self.with_check is None else self.with_check


def owner_policy(
    table: str, owner: str, *, setting: str = SETTING, type: str = "text"
) -> tuple[str, ...]:
    """Return the statements that give each row to its owner alone, for a migration.

    Args:
        table: "orders", or "shop.orders" with its schema.
        owner: The column that holds whose a row is.
        setting: Of the transaction: whom it serves. It has a prefix of its own ("app."), so that
            it is no setting of PostgreSQL's.
        type: Of the column: text, uuid, bigint, integer.

    Raises:
        BoundaryError: a name that can't be one, another type.

    Source: PostgreSQL, "Row Security Policies", "CREATE POLICY".
    """
    if type not in _TYPES:
        raise BoundaryError(f"owner_policy(type={type!r}) is none of {', '.join(_TYPES)}.")
    name, column = quoted_table(table), quoted(owner)
    # Once set locally, a setting is '' in the connection's next transactions, and no longer NULL.
    whom = f"NULLIF(current_setting('{require_setting(setting)}', true), '')"
    own = f"{column} = {whom if type == 'text' else f'{whom}::{type}'}"
    return (
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {quoted(POLICY)} ON {name} USING ({own}) WITH CHECK ({own})",
    )


def judged(
    table: str, policies: Sequence[Policy], setting: str, *, owes: Sequence[str] = ()
) -> Iterator[str]:
    """Yield what is wrong with the policies of a table, as they apply to one role.

    Permissive ones are joined by OR: each has to ask for the setting, or a restrictive one does.
    A command without a permissive one touches no row.

    Args:
        table: Quoted.
        policies: Those that apply to the role.
        setting: See `owner_policy`.
        owes: What to run where there is no policy at all; empty where that is fine.
    """
    if not policies and owes:
        yield f"{table} has no policy for this role. Run: {'; '.join(owes)}"
    # Another schema's function of that name stands there with its schema.
    call = rf"(?<![\w.\"])(?:pg_catalog\.)?current_setting\('{re.escape(setting)}'::text\b"
    asked = re.compile(call, re.IGNORECASE)
    open_for: dict[Policy, list[str]] = {}
    for command, commands, written in _SIDES:
        here = [policy for policy in policies if policy.command in commands]
        unasked = [p for p in here if not asked.search(p.condition(written=written) or "")]
        if any(not policy.is_permissive and policy not in unasked for policy in here):
            continue
        for policy in unasked:
            if policy.is_permissive and command not in open_for.setdefault(policy, []):
                open_for[policy].append(command)
    for policy, names in open_for.items():
        said = "lets every row through" if policy.using == "true" else "doesn't ask for it"
        yield (
            f"Policy {quoted(policy.name)} on {table} {said}, for {', '.join(names)}: permissive "
            f"policies are joined by OR, so each one compares the owner with "
            f"current_setting('{setting}', true). Run: "
            f"DROP POLICY {quoted(policy.name)} ON {table}"
        )


def quoted(name: str) -> str:
    """Return an identifier as it stands in a statement.

    Raises:
        BoundaryError: it is empty, holds a NUL, or PostgreSQL would cut it off.
    """
    if not name or "\0" in name or len(name.encode(errors="replace")) > _MAX_NAME:
        raise BoundaryError(
            f"{name[:_MAX_NAME]!r} is no name in PostgreSQL: 1 to {_MAX_NAME} bytes, no NUL."
        )
    return '"' + name.replace('"', '""') + '"'


def quoted_table(table: str) -> str:
    """Return a table, with its schema where it is named.

    Raises:
        BoundaryError: it has more than one dot, or `quoted` refuses a part.
    """
    parts = table.split(".")
    if len(parts) > 2:  # noqa: PLR2004  schema and table
        raise BoundaryError(f'{table[:_MAX_NAME]!r} names no table: "orders" or "shop.orders".')
    return ".".join(map(quoted, parts))


def require_setting(setting: str) -> str:
    """Return the name of a setting.

    Raises:
        BoundaryError: it has no prefix: `role` or `search_path` are PostgreSQL's own.
    """
    if _SETTING.fullmatch(setting) is None or len(setting) > _MAX_NAME:
        raise BoundaryError(
            f"setting={setting[:_MAX_NAME]!r} is no name of our own: lower case, with a prefix, as "
            f'"{SETTING}".'
        )
    return setting
