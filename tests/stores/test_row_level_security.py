"""PostgreSQL holds back the rows of others, checked at the start. Each refusal has a twin."""

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from sqlalchemy import Engine, MetaData, Table, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_scoped_session, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker
from sqlalchemy.pool import StaticPool

from pratique import stores
from pratique.core.refusal import BoundaryError, Refused, StoreError
from pratique.stores.sqlalchemy_store.row_level_security import RowLevelSecurity
from tests.docs.pages import ROOT
from tests.shop import plain_sqlite3

pytestmark = pytest.mark.server
DRIVERS: Final = ["psycopg", "asyncpg"]
READ: Final = text("SELECT note FROM orders ORDER BY id")
WRITE: Final = text("INSERT INTO orders (id, owner_id, note) VALUES (:id, :owner, 'new')")
BOUND: Final = text("SELECT current_setting('app.principal', true)")
TABLE: Final = (
    "CREATE TABLE orders (id int PRIMARY KEY, owner_id text NOT NULL, note text NOT NULL)",
    "INSERT INTO orders VALUES (1, 'ada', 'ada 1'), (2, 'bob', 'bob 1'), (3, 'ada', 'ada 2')",
)


class Base(NamedTuple):
    admin: Engine
    role: str
    url: str
    engines: list[Engine]

    def run(self, *statements: str) -> None:
        """Run as the superuser; {role} is the role of the application."""
        with self.admin.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("{role}", self.role))

    def engine(self, **options: Any) -> Engine:
        self.engines.append(create_engine(self.url, **options))
        return self.engines[-1]

    def rows(self, *tables: str) -> tuple[RowLevelSecurity, sessionmaker[Session]]:
        maker = sessionmaker(self.engine(pool_size=1, max_overflow=0))
        return stores.row_level_security(maker, tables or ["orders"]), maker

    def debts(self, *tables: str) -> list[str]:
        return self.rows(*tables)[0].debts()

    def ready(self) -> tuple[RowLevelSecurity, sessionmaker[Session]]:
        rows, maker = self.rows()
        assert rows.debts() == []
        return rows, maker


@pytest.fixture
def base(pg_url: str) -> Iterator[Base]:
    """A table with two owners, and a role without rights beyond it."""
    url = make_url(pg_url)
    role = f"role_{url.database}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    app = url.set(username=role).render_as_string(hide_password=False)
    made = Base(admin, role, app, [])
    made.run(
        'CREATE ROLE "{role}" LOGIN NOSUPERUSER NOBYPASSRLS',
        *TABLE,
        *stores.owner_policy("orders", "owner_id"),
        'GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO "{role}"',
    )
    yield made
    for engine in made.engines:
        engine.dispose()
    made.run('DROP OWNED BY "{role}" CASCADE', 'DROP ROLE "{role}"')


def mend_of(debt: str) -> list[str]:
    """Return the statements that a debt tells to run."""
    return debt.rpartition("un: ")[2].rpartition("through which it is a member: ")[2].split("; ")


ANOTHER: Final = """CREATE FUNCTION public.current_setting(text, bool) RETURNS text LANGUAGE sql
AS $$ SELECT 'ada' $$"""
CALL_OF_IT: Final = "public.current_setting('app.principal'::text, true)"
MENDED: Final = {
    "not enabled": (["ALTER TABLE orders DISABLE ROW LEVEL SECURITY"], "no row-level security"),
    "not forced": (
        [
            "ALTER TABLE orders NO FORCE ROW LEVEL SECURITY",
            'ALTER TABLE orders OWNER TO "{role}"',
        ],
        "nothing back from its owner",
    ),
    "everybody's policy": (
        ["CREATE POLICY everything ON orders USING (true)"],
        "lets every row through, for SELECT, INSERT, UPDATE, DELETE",
    ),
    "a policy of another setting": (
        ["CREATE POLICY other ON orders FOR SELECT USING (note = current_setting('app.x', true))"],
        "doesn't ask for it, for SELECT",
    ),
    "another's function of that name": (
        [
            ANOTHER,
            f"CREATE POLICY other ON orders FOR SELECT USING (owner_id = {CALL_OF_IT})",
        ],
        "doesn't ask for it, for SELECT",
    ),
    "a check that takes all": (
        ["CREATE POLICY add ON orders FOR INSERT WITH CHECK (true)"],
        "for INSERT",
    ),
    "superuser": (['ALTER ROLE "{role}" SUPERUSER'], "is a superuser"),
    "bypasses": (['ALTER ROLE "{role}" BYPASSRLS'], "has BYPASSRLS"),
    "a default": (["ALTER ROLE \"{role}\" SET app.principal = 'ada'"], "where nobody is bound"),
}


@pytest.mark.parametrize("name", MENDED)
def test_tells_what_lets_rows_out_and_its_own_sql_mends_it(base: Base, name: str) -> None:
    """One debt a finding; after the statement that it tells there is none."""
    spoil, word = MENDED[name]
    assert base.debts() == []
    base.run(*spoil)
    (debt,) = base.debts()
    assert word in debt
    for statement in mend_of(debt):
        base.run(statement)
    assert base.debts() == []


def test_tells_a_role_that_may_become_one_without_limits(base: Base) -> None:
    """SET ROLE to a member's role passes by every policy; revoked, it starts."""
    base.run('CREATE ROLE "dba_{role}" BYPASSRLS', 'GRANT "dba_{role}" TO "{role}"')
    (debt,) = base.debts()
    assert f'may become "dba_{base.role}"' in debt
    base.run(*mend_of(debt))
    assert base.debts() == []
    base.run('DROP ROLE "dba_{role}"')


def test_tells_a_table_without_a_policy(base: Base) -> None:
    """What it tells to run has a place for the owner's column; filled in, it starts."""
    base.run("DROP POLICY pratique_owner ON orders")
    (debt,) = base.debts()
    assert "has no policy for this role" in debt
    base.run(mend_of(debt)[0].replace('"owner"', "owner_id"))
    assert base.debts() == []


def test_a_restrictive_policy_that_asks_is_enough(base: Base) -> None:
    """All of them must hold: beside it a permissive one may be open."""
    base.run(
        "DROP POLICY pratique_owner ON orders",
        "CREATE POLICY all_of_it ON orders USING (true)",
        "CREATE POLICY mine ON orders AS RESTRICTIVE "
        "USING (owner_id = current_setting('app.principal', true))",
    )
    assert base.debts() == []


@pytest.mark.parametrize(
    "condition",
    [
        "owner_id = coalesce(nullif(current_setting('app.principal', true), ''), owner_id)",
        "current_setting('app.principal', true) <> ''",
        "owner_id::int = current_setting('app.principal', true)::int",
    ],
)
def test_tells_a_policy_that_asks_and_holds_nothing_back(base: Base, condition: str) -> None:
    """It names the setting, and gives rows to nobody or to anybody, or fails; ours doesn't."""
    base.run(
        "DROP POLICY pratique_owner ON orders", f"CREATE POLICY loose ON orders USING ({condition})"
    )
    (debt,) = base.debts()
    assert "is bound" in debt
    base.run("DROP POLICY loose ON orders", *stores.owner_policy("orders", "owner_id"))
    assert base.debts() == []


def test_tells_a_partition_that_is_open_by_itself(base: Base) -> None:
    """A policy of the whole says nothing of a part that is read by its own name."""
    base.run(
        "CREATE TABLE parts (id int, owner_id text) PARTITION BY LIST (id)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)",
        *stores.owner_policy("parts", "owner_id"),
        'GRANT SELECT ON parts TO "{role}"',
    )
    assert base.debts("parts") == []
    base.run('GRANT SELECT ON parts_1 TO "{role}"')
    found = base.debts("parts")
    assert ["parts_1" in debt for debt in found] == [True, True]
    base.run(*(statement for debt in found for statement in mend_of(debt)))
    assert base.debts("parts") == []


def test_starts_for_a_role_that_only_writes(base: Base) -> None:
    """What it can't read gives nothing out; its policies are judged all the same."""
    base.run('REVOKE SELECT ON orders FROM "{role}"')
    assert base.debts() == []
    base.run("CREATE POLICY add ON orders FOR INSERT WITH CHECK (true)")
    assert len(base.debts()) == 1


def test_tells_a_factory_on_several_databases(base: Base) -> None:
    """What is checked would not be what is read; on one it starts."""
    several = sessionmaker(base.engine(), binds={Table("x", MetaData()): base.engine()})
    (debt,) = stores.row_level_security(several, ["orders"]).debts()
    assert "several databases" in debt
    assert base.debts() == []


def test_tells_a_table_that_is_not_there_and_a_view(base: Base) -> None:
    """Every finding at once; a name in quotes is one name, and no statement."""
    base.run('CREATE VIEW seen AS SELECT * FROM orders; GRANT SELECT ON seen TO "{role}"')
    base.run('CREATE TABLE "Odd""name" (owner_id uuid)', 'GRANT SELECT ON "Odd""name" TO "{role}"')
    found = base.debts("gone", "seen", 'orders"; DROP TABLE orders; --')
    assert [re.search(r"no table|is no table", debt) is not None for debt in found] == [True] * 3
    base.run(*stores.owner_policy('Odd"name', "owner_id", type="uuid"))
    assert base.debts('Odd"name', "public.orders") == []


def test_a_database_that_is_down_is_a_debt(base: Base) -> None:
    """Sync; the twin answers."""
    down = create_engine("postgresql+psycopg://shop@127.0.0.1:1/shop")
    (debt,) = stores.row_level_security(sessionmaker(down), ["orders"]).debts()
    assert "can't be checked" in debt
    assert base.debts() == []


@pytest.mark.parametrize("driver", DRIVERS)
async def test_a_database_that_is_down_is_a_debt_on_the_loop(driver: str) -> None:
    """Async."""
    down = create_async_engine(f"postgresql+{driver}://shop@127.0.0.1:1/shop")
    rows = stores.row_level_security(async_sessionmaker(down), ["orders"])
    (debt,) = await rows.adebts()
    assert "can't be checked" in debt
    await down.dispose()


def test_tells_what_is_no_session_on_one_postgresql(base: Base) -> None:
    """SQLite, a driver that commits by itself, no session; nothing of it may be bound."""
    made: dict[str, Callable[[], Any]] = {
        "is PostgreSQL's": sessionmaker(create_engine("sqlite://", poolclass=StaticPool)),
        "commits each statement": sessionmaker(base.engine(isolation_level="AUTOCOMMIT")),
        "can't be checked": base.engine().url.render_as_string,
    }
    for word, maker in made.items():
        rows = stores.row_level_security(maker, ["orders"])
        assert [word in debt for debt in rows.debts()] == [True]


def test_the_start_of_the_perimeter_asks(base: Base, tmp_path: Path) -> None:
    """A debt refuses the start; mended, it starts, and what comes later isn't taken."""
    rows, maker = base.rows()
    perimeter = plain_sqlite3(tmp_path / "shop.db").perimeter
    perimeter.attach(rows)
    base.run("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(BoundaryError, match="FORCE"):
        perimeter.start()
    with maker.begin() as session, pytest.raises(BoundaryError, match="before the start"):
        rows.bind(session, "ada")
    base.run("ALTER TABLE orders FORCE ROW LEVEL SECURITY")
    with perimeter:
        with maker.begin() as session:
            rows.bind(session, "ada")
        with pytest.raises(BoundaryError, match="attached after the start"):
            perimeter.attach(base.rows()[0])
        assert list(rows.samples()) == []


@pytest.mark.parametrize("kind", ["sync", *DRIVERS])
async def test_the_start_on_the_loop_asks(base: Base, tmp_path: Path, kind: str) -> None:
    """The same by `astart`, for sessions of both kinds."""
    aengine = create_async_engine(base.url.replace("+psycopg", f"+{kind}".replace("+sync", "")))
    rows = stores.row_level_security(async_sessionmaker(aengine), ["orders"])
    if kind == "sync":
        rows = base.rows()[0]
    perimeter = plain_sqlite3(tmp_path / "shop.db").perimeter
    perimeter.attach(rows)
    base.run("ALTER TABLE orders NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(BoundaryError, match="FORCE"):
        await perimeter.astart()
    base.run("ALTER TABLE orders FORCE ROW LEVEL SECURITY")
    async with perimeter:
        pass
    await aengine.dispose()


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_start_without_a_loop_leaves_no_connection_of_another(base: Base, driver: str) -> None:
    """`start()` checks an async factory on a loop that ends; its connection isn't kept."""
    aengine = create_async_engine(base.url.replace("+psycopg", f"+{driver}"))
    rows = stores.row_level_security(async_sessionmaker(aengine), ["orders"])
    assert rows.debts() == []

    async def serve() -> list[str]:
        async with async_sessionmaker(aengine).begin() as session:
            await rows.abind(session, "bob")
            found = (await session.scalars(READ)).all()
        await aengine.dispose()
        return list(found)

    assert asyncio.run(serve()) == ["bob 1"]


def test_a_forgotten_where_shows_only_ones_own(base: Base) -> None:
    """Two principals, one statement; who isn't bound sees nothing."""
    rows, maker = base.ready()
    for whom, seen in (("ada", ["ada 1", "ada 2"]), ("bob", ["bob 1"]), ("eve", [])):
        with maker.begin() as session:
            rows.bind(session, whom)
            assert session.scalars(READ).all() == seen
    with maker.begin() as session:
        assert session.scalars(READ).all() == []


def test_writes_nothing_for_somebody_else(base: Base) -> None:
    """WITH CHECK refuses a row of another, and giving one away; one's own is written."""
    rows, maker = base.ready()
    give = text("UPDATE orders SET owner_id = 'bob' WHERE id = 1")
    for statement, values in ((WRITE, {"id": 9, "owner": "bob"}), (give, {})):
        with maker() as session:
            session.begin()
            rows.bind(session, "ada")
            with pytest.raises(DBAPIError, match="row-level security"):
                session.execute(statement, values)
    with maker.begin() as session:
        rows.bind(session, "ada")
        session.execute(WRITE, {"id": 9, "owner": "ada"})
        assert session.execute(text("DELETE FROM orders WHERE owner_id = 'bob'")).rowcount == 0  # type: ignore[attr-defined]
        assert session.scalars(READ).all() == ["ada 1", "ada 2", "new"]


@pytest.mark.parametrize("end", ["commit", "rollback", "exception", "close"])
def test_a_pooled_connection_carries_nobody_to_the_next(base: Base, end: str) -> None:
    """One raw connection, whose next transaction is of another session: it sees no row."""
    rows, maker = base.ready()
    session = maker()
    session.begin()
    rows.bind(session, "ada")
    pid = session.scalar(text("SELECT pg_backend_pid()"))
    assert session.scalar(BOUND) == "ada"
    if end == "exception":
        with pytest.raises(DBAPIError):
            session.execute(text("SELECT 1/0"))
    else:
        getattr(session, end)()
    session.close()
    with maker.begin() as other:
        assert other.scalar(text("SELECT pg_backend_pid()")) == pid
        assert other.scalar(BOUND) in (None, "")
        assert other.scalars(READ).all() == []
        rows.bind(other, "bob")
        assert other.scalars(READ).all() == ["bob 1"]


def test_a_role_that_stayed_on_a_connection_is_not_bound(base: Base) -> None:
    """A SET ROLE of a report goes back to the pool with the connection: nothing is read as that role; after RESET ROLE one's own is."""
    auditor = f"{base.role}_auditor"
    base.run(
        f'CREATE ROLE "{auditor}" NOSUPERUSER NOBYPASSRLS',
        f'GRANT SELECT ON orders TO "{auditor}"',
        f'CREATE POLICY auditors ON orders FOR SELECT TO "{auditor}" USING (true)',
        'ALTER ROLE "{role}" NOINHERIT',
        f'GRANT "{auditor}" TO "{{role}}"',
    )
    try:
        rows, maker = base.ready()
        with maker.begin() as session:
            session.execute(text(f'SET ROLE "{auditor}"'))
        with maker() as session:
            session.begin()
            with pytest.raises(BoundaryError, match="another database or role"):
                rows.bind(session, "bob")
        with maker.begin() as session:
            session.execute(text("RESET ROLE"))
        with maker.begin() as session:
            rows.bind(session, "bob")
            assert session.scalars(READ).all() == ["bob 1"]
    finally:
        for engine in base.engines:
            engine.dispose()
        base.run(f'DROP OWNED BY "{auditor}" CASCADE', f'DROP ROLE "{auditor}"')


def test_sessions_that_take_turns_on_one_connection_carry_nothing(base: Base) -> None:
    """As behind PgBouncer by transaction: no reset between two clients of one raw connection."""
    rows, _ = base.ready()
    shared = base.engine(poolclass=StaticPool, pool_reset_on_return=None)
    maker = sessionmaker(shared)
    for whom, seen in (("ada", ["ada 1", "ada 2"]), ("bob", ["bob 1"])) * 2:
        session = maker()
        assert session.scalars(READ).all() == []
        rows.bind(session, whom)
        assert session.scalars(READ).all() == seen
        session.commit()


def test_a_session_that_is_followed_is_bound_in_each_transaction(base: Base) -> None:
    """After a commit, a rollback and within a savepoint; one that isn't, is not."""
    rows, maker = base.ready()
    with maker() as session:
        rows.follow(session, "ada")
        rows.follow(session, "ada")
        for end in (session.commit, session.rollback, session.commit):
            assert session.scalars(READ).all() == ["ada 1", "ada 2"]
            end()
        with session.begin_nested():
            assert session.scalars(READ).all() == ["ada 1", "ada 2"]
    with maker() as session:
        assert session.scalars(READ).all() == []
        rows.follow(session, "bob")
        assert session.scalars(READ).all() == ["bob 1"]
    with maker() as session:
        assert session.scalars(READ).all() == []


def test_follows_the_session_of_a_scope_and_no_other(base: Base) -> None:
    """scoped_session stands for the session of this thread alone."""
    rows, maker = base.ready()
    scoped = scoped_session(maker)
    rows.follow(scoped, "ada")  # type: ignore[arg-type]
    assert scoped.scalars(READ).all() == ["ada 1", "ada 2"]
    scoped.remove()
    assert scoped.scalars(READ).all() == []
    scoped.remove()


@pytest.mark.parametrize("bad", ["", "a\0b", "x" * 257, "\ud800", None, 7])
def test_refuses_whom_it_can_not_bind(base: Base, bad: Any) -> None:
    """LINKED, code "bad_principal"; 256 characters are bound."""
    rows, maker = base.ready()
    for bind in (rows.bind, rows.follow):
        with maker.begin() as session, pytest.raises(Refused) as refused:
            bind(session, bad)
        assert refused.value.code == "bad_principal"
    with maker.begin() as session:
        rows.bind(session, "é" * 256)
        assert session.scalar(BOUND) == "é" * 256


def test_a_transaction_and_a_session_serve_one_principal(base: Base) -> None:
    """What a session has loaded it gives out again unasked; the same one twice is fine."""
    rows, maker = base.ready()
    with maker() as session:
        session.begin()
        rows.bind(session, "ada")
        rows.bind(session, "ada")
        session.commit()
        session.begin()
        with pytest.raises(Refused) as refused:
            rows.bind(session, "bob")
        assert refused.value.code == "bound_to_another"
    other = base.ready()[0]
    with maker() as session:
        session.begin()
        session.execute(text("SELECT set_config('app.principal', 'bob', true)"))
        with pytest.raises(Refused) as refused:
            other.bind(session, "ada")
        assert refused.value.code == "bound_to_another"
        assert session.scalars(READ).all() == ["bob 1"]


def test_refuses_to_bind_outside_of_a_transaction(base: Base) -> None:
    """What is bound ends with one; and a session of another role was never checked."""
    rows, maker = base.ready()
    with maker() as session:
        with pytest.raises(BoundaryError, match="outside of a transaction"):
            rows.bind(session, "ada")
        session.begin()
        rows.bind(session, "ada")
    by_itself = base.engine(isolation_level="AUTOCOMMIT")
    for engine, word in ((base.admin, "another database or role"), (by_itself, "AUTOCOMMIT")):
        with Session(engine) as session:
            session.begin()
            with pytest.raises(BoundaryError, match=word):
                rows.bind(session, "ada")


def test_a_connection_that_is_cut_is_a_store_error(base: Base) -> None:
    """No text of the driver's leaves; the twin binds."""
    rows, maker = base.ready()
    with maker() as session:
        pid = session.scalar(text("SELECT pg_backend_pid()"))
        base.run(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(StoreError, match="the database says"):
            rows.bind(session, "ada")
    with maker.begin() as session:
        rows.bind(session, "ada")


@pytest.mark.parametrize("driver", DRIVERS)
async def test_holds_on_the_event_loop(base: Base, driver: str) -> None:
    """The same by abind and afollow, on one pooled connection."""
    aengine = create_async_engine(
        base.url.replace("+psycopg", f"+{driver}"), pool_size=1, max_overflow=0
    )
    maker = async_sessionmaker(aengine)
    rows = stores.row_level_security(maker, ["orders"])
    assert await rows.adebts() == []
    async with maker.begin() as session:
        await rows.abind(session, "ada")
        assert (await session.scalars(READ)).all() == ["ada 1", "ada 2"]
        with pytest.raises(DBAPIError, match="row-level security"):
            await session.execute(WRITE, {"id": 9, "owner": "bob"})
        await session.rollback()
    async with maker() as session:
        assert (await session.scalars(READ)).all() == []
        with pytest.raises(Refused):
            await rows.abind(session, "")
        await rows.afollow(session, "bob")
        for end in (session.commit, session.rollback):
            assert (await session.scalars(READ)).all() == ["bob 1"]
            await end()
    scoped = async_scoped_session(maker, scopefunc=lambda: 1)
    assert (await scoped.scalars(READ)).all() == []
    await scoped.remove()
    await aengine.dispose()


def test_the_blocks_of_the_how_to_hold(base: Base) -> None:
    """What the page tells to write, as it stands there, on a real server."""
    page = ROOT / "docs" / "how-to" / "let-postgresql-hold-the-rows-back.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    source = "".join(blocks).replace("postgresql+psycopg://shop@localhost/shop", base.url)
    base.run(
        "DROP TABLE orders",
        "CREATE TABLE orders (id int PRIMARY KEY, owner_id bigint NOT NULL, note text NOT NULL)",
        "INSERT INTO orders VALUES (1, 7, 'seven'), (2, 8, 'eight')",
        *stores.owner_policy("orders", "owner_id", type="bigint"),
        'CREATE TABLE "user" (id int PRIMARY KEY, is_suspended bool NOT NULL)',
        'INSERT INTO "user" VALUES (7, false), (8, true)',
        'GRANT SELECT ON orders, "user" TO "{role}"',
    )
    page_names: dict[str, Any] = {"__name__": "page"}
    exec(compile(source, str(page), "exec"), page_names)  # noqa: S102  our own page
    base.engines.append(page_names["engine"])
    assert page_names["rows"].debts() == []
    assert page_names["notes_of"](7) == ["seven"]
    with page_names["NewSession"]() as session:
        assert page_names["load_user"]("8", session) is None
        assert session.scalars(READ).all() == []
        assert page_names["load_user"]("7", session).id == 7
        for _ in range(2):
            assert session.scalars(READ).all() == ["seven"]
            session.commit()


def test_a_role_that_may_make_nothing_is_told_what_the_store_needs(base: Base) -> None:
    """The statements of the refusal, run as they stand, are enough for the application's role."""
    face = stores.sqlalchemy(sessionmaker(base.engine())).sync
    assert face is not None
    with pytest.raises(BoundaryError, match="neither make the store's tables") as refused:
        face.start()
    statements = stores.store_tables(base.role)
    assert all(statement in str(refused.value) for statement in statements)
    base.run(*statements)
    face.start()
