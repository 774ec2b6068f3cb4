"""What PostgreSQL's catalog says of the role and the tables that row-level security rests on."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from uuid import uuid4

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from pratique.stores.owner_policy import Policy, judged, owner_policy, quoted, quoted_table

from .transaction import store_error

_PROBE_MILLISECONDS: Final = 5000
_TABLES: Final = "rp"  # relkind of what can have policies: a table, a partitioned table
_SET_RIGHT_SINCE: Final = 160000
_ROLES: Final = """
SELECT r.rolname, r.rolsuper, r.rolname IN (current_user, session_user) AS is_own,
       CAST(session_user AS text) AS login
FROM pg_catalog.pg_roles r
WHERE (r.rolsuper OR r.rolbypassrls)
  AND (r.rolname IN (current_user, session_user)
       OR pg_catalog.pg_has_role(session_user, r.oid, CAST(:right AS text)))
ORDER BY r.rolname
"""
_TREE: Final = """
WITH RECURSIVE tree (oid) AS (
  SELECT CAST(pg_catalog.to_regclass(CAST(:name AS text)) AS oid)
  UNION
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT CAST(c.oid AS text) AS oid, n.nspname, c.relname, CAST(c.relkind AS text) AS kind,
       c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,
       c.oid = CAST(pg_catalog.to_regclass(CAST(:name AS text)) AS oid) AS is_named,
       pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS readable,
       pg_catalog.has_table_privilege(c.oid, 'DELETE')
         OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT, INSERT, UPDATE') AS reachable
FROM tree JOIN pg_catalog.pg_class c ON c.oid = tree.oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY is_named DESC, n.nspname, c.relname
"""
_POLICIES: Final = """
SELECT p.polname, CAST(p.polcmd AS text), p.polpermissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid),
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_catalog.pg_policy p
WHERE p.polrelid = CAST(CAST(:oid AS text) AS oid)
  AND EXISTS (SELECT FROM unnest(p.polroles) AS r (oid)
              WHERE CASE r.oid WHEN 0 THEN true
                    ELSE pg_catalog.pg_has_role(current_user, r.oid, 'USAGE') END)
ORDER BY p.polname
"""


class _Relation(NamedTuple):
    oid: str
    schema: str
    name: str
    kind: str
    enabled: bool
    forced: bool
    is_named: bool
    readable: bool
    reachable: bool

    @property
    def quoted(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def role_debts(session: Session) -> Iterator[str]:
    """Yield each way in which the role of a session passes by every policy."""
    version = int(_one(session, "SELECT current_setting('server_version_num')"))
    right = "SET" if version >= _SET_RIGHT_SINCE else "MEMBER"
    found = session.execute(text(_ROLES), {"right": right}).all()
    own = [row for row in found if row.is_own]
    for row in own:
        role = quoted(row.rolname)
        what = "is a superuser" if row.rolsuper else "has BYPASSRLS"
        yield (
            f"The role {role} {what}: no policy holds anything back from it. Connect as another "
            f"one, or run: ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
        )
    for row in () if own else found:
        role, login = quoted(row.rolname), quoted(row.login)
        yield (
            f"The role {login} may become {role}, from which no policy holds anything back (SET "
            f"ROLE). Run, or for the role through which it is a member: REVOKE {role} FROM {login}"
        )


def setting_debts(session: Session, setting: str) -> Iterator[str]:
    """Yield whether somebody is bound before anybody was: a default of role, database or file."""
    if _one(session, "SELECT current_setting(CAST(:name AS text), true)", name=setting):
        role = quoted(_one(session, "SELECT CAST(session_user AS text)"))
        base = quoted(_one(session, "SELECT CAST(current_database() AS text)"))
        yield (
            f"{setting} is set where nobody is bound: a forgotten bind would give the rows of "
            f"whoever it is. Run: ALTER ROLE {role} RESET {setting}; "
            f"ALTER DATABASE {base} RESET {setting}"
        )


def table_debts(session: Session, table: str, setting: str) -> Iterator[str]:
    """Yield what is wrong with a table, its partitions and what inherits from it."""
    rows = session.execute(text(_TREE), {"name": quoted_table(table)}).all()
    found = [_Relation(*row) for row in rows]
    if not found:
        yield (
            f"There is no table {quoted_table(table)} for this role. Run the migration, or name "
            f"it as it is."
        )
    for relation in found:
        if relation.is_named or relation.reachable:
            yield from _relation_debts(session, relation, setting)


def probe_debts(session: Session, table: str, setting: str) -> Iterator[str]:
    """Yield what a table gives out to nobody, to '' and to a made-up principal: not one row.

    A policy can name the setting and hold nothing back: "… IS NULL OR …", coalesce(…).
    """
    rows = session.execute(text(_TREE), {"name": quoted_table(table)}).all()
    name = next(_Relation(*row).quoted for row in rows if row.is_named)
    if not any(row.is_named and row.readable for row in rows):
        return
    for whom, value in (("nobody", None), ("''", ""), ("a made-up principal", str(uuid4()))):
        session.rollback()  # each in a transaction of its own
        _set(session, "statement_timeout", str(_PROBE_MILLISECONDS))
        if value is not None:
            _set(session, setting, value)
        try:
            if _one(session, f"SELECT EXISTS (SELECT FROM {name})"):  # noqa: S608  quoted
                yield (
                    f"{name} gives rows out where {whom} is bound: a policy asks for {setting} "
                    f"and lets pass without it. Run: {_anew(name)} and make it with owner_policy()"
                )
                return
        except SQLAlchemyError as error:
            said = str(store_error(error))
            if value and " 22" in said:  # a made-up one is no integer: no row either
                continue
            yield (
                f"{name} can't be read where {whom} is bound ({said}, at most "
                f"{_PROBE_MILLISECONDS} ms). A policy compares the owner, which has an index, with "
                f"NULLIF(current_setting('{setting}', true), '')"
            )
            return
        finally:
            session.rollback()


def _relation_debts(session: Session, relation: _Relation, setting: str) -> Iterator[str]:
    name = relation.quoted
    if relation.kind not in _TABLES:
        yield f"{name} is no table: a policy can't stand on it. Name the tables beneath it."
        return
    if not relation.enabled:
        yield (
            f"{name} has no row-level security. Run: ALTER TABLE {name} ENABLE ROW LEVEL SECURITY"
        )
    if not relation.forced:
        yield (
            f"{name} holds nothing back from its owner. "
            f"Run: ALTER TABLE {name} FORCE ROW LEVEL SECURITY"
        )
    found = session.execute(text(_POLICIES), {"oid": relation.oid})
    policies = [Policy(*row) for row in found]
    # A partition without one gives out nothing by itself; its rows are reached through the table.
    owes = owner_policy("t", "owner", setting=setting)[2:] if relation.is_named else ()
    mend = [each.replace('"t"', name) for each in owes]
    yield from judged(name, policies, setting, owes=mend)


def _anew(name: str) -> str:
    return f"DROP POLICY … ON {name}"


def _set(session: Session, name: str, value: str) -> None:
    statement = text("SELECT set_config(CAST(:name AS text), CAST(:value AS text), true)")
    session.execute(statement, {"name": name, "value": value})


def _one(session: Session, statement: str, **values: str) -> Any:
    return session.execute(text(statement), values).scalar_one()
