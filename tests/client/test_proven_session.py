"""A session that changes nothing before something was proven for it."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient

from pratique import Perimeter, Proven
from pratique.client import Change, Client, SessionCookie
from pratique.client import Session as SignedIn
from pratique.core import BoundaryError
from pratique.core.marking import mark_proven
from pratique.integrations.fastapi import Public, guard, owned
from pratique.stores.sqlalchemy_store.proven_session import ProvenSession, reads_only
from tests.client.shop import NOON, ORIGIN, Base, Order, OrderChange, User, may

CHANGES: dict[str, Callable[[Session], Any]] = {
    "a row that is changed": lambda db: setattr(db.get_one(Order, 10), "note", "new"),
    "a new row": lambda db: db.add(Order(id=40)),
    "a row that is deleted": lambda db: db.delete(db.get_one(Order, 10)),
    "update of the ORM": lambda db: db.execute(update(Order).values(note="new")),
    "insert of the core": lambda db: db.execute(insert(Order.__table__).values(id=40)),
    "delete of a query": lambda db: db.query(Order).delete(),
    "bulk": lambda db: db.bulk_insert_mappings(Order.__mapper__, [{"id": 40}]),
    "text": lambda db: db.execute(text("UPDATE \"order\" SET note = 'new'")),
    "text after a comment": lambda db: db.execute(text('/* SELECT */ DELETE FROM "order"')),
    "the session's connection": lambda db: db.connection().execute(delete(Order)),
    "the driver's SQL": lambda db: db.connection().exec_driver_sql('DELETE FROM "order"'),
    "within a savepoint": lambda db: db.begin_nested() and db.execute(delete(Order)),
    "a table": lambda db: db.execute(text("CREATE TABLE other (id int)")),
}
READS = (
    "SELECT 1",
    "select a from b where c = 'INSERT INTO d'",
    "SELECT a FROM b FOR UPDATE",
    "SELECT a FROM b FOR NO KEY\nUPDATE SKIP LOCKED",
    '-- DELETE FROM a\nSELECT "update" FROM b',
    "(SELECT 1) UNION (SELECT 2)",
    "WITH a AS (SELECT 1) SELECT * FROM a;",
    "SAVEPOINT a",
    "SELECT a FROM b WHERE c LIKE 'DELETE FROM%' ESCAPE '\\'",
    r"SELECT E'it\'s INTO', $x$ DELETE FROM b $x$, c$d, e$f FROM b",
)
WRITES = (
    "WITH a AS (DELETE FROM b RETURNING 1) SELECT * FROM a",
    "WITH a AS (UPDATE b SET c = 1 RETURNING 1) SELECT * FROM a",
    "WITH a AS (INSERT INTO b VALUES (1) RETURNING 1) SELECT * FROM a",
    "WITH a AS (MERGE INTO b USING c ON TRUE WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1",
    "SELECT 1 INTO b",
    "SELECT 1; DROP TABLE b",
    "EXPLAIN ANALYZE SELECT change()",
    "/* /* */ SELECT 1 */ DROP TABLE b",
    "WITH a AS (SELECT 1) --\r DELETE FROM b",
    r"WITH a AS (SELECT E'\'') DELETE FROM b WHERE 'c' = 'c'",
    "WITH a AS (SELECT 1 AS c$$) DELETE FROM b WHERE true RETURNING 1 AS d$$",
    "CALL change()",
    "COPY a FROM STDIN",
    "TRUNCATE a",
    "PRAGMA user_version = 1",
    "",
)


@pytest.fixture
def new(tmp_path: Path) -> sessionmaker[ProvenSession]:
    """Return a factory of such sessions, on a database with two orders."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db", poolclass=NullPool)
    Base.metadata.create_all(engine)
    with sessionmaker(engine).begin() as db:
        db.add_all([User(id=1, name="ann"), User(id=2, name="bob")])
        db.flush()
        db.add_all([Order(id=10, owner_id=1), Order(id=20, owner_id=2)])
    return sessionmaker(engine, class_=ProvenSession)


def do(session: Session, change: Callable[[Session], Any], *proven: str) -> None:
    """Make a change in one transaction, on which those actions were proven."""
    with session as db, db.begin():
        for action in proven:
            mark_proven(db, action)
        change(db)


def orders(new: sessionmaker[ProvenSession]) -> list[tuple[int, str]]:
    """Return what stands in the database: reading needs no proof."""
    with new() as db:
        return [(order.id, order.note) for order in db.scalars(select(Order).order_by(Order.id))]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("proven", [(), ("order.read",), ("orders.list", "profile.read")])
def test_a_change_without_its_proof_is_refused_and_none_of_it_lands(
    new: sessionmaker[ProvenSession], change: Callable[[Session], Any], proven: tuple[str, ...]
) -> None:
    """However it is said, and where only a read was proven too (CWE-862)."""
    with pytest.raises(BoundaryError, match="changes state"):
        do(new(), change, *proven)
    assert orders(new) == [(10, ""), (20, "")]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_behind_a_proof_is_made(
    new: sessionmaker[ProvenSession], change: Callable[[Session], Any]
) -> None:
    """The admitting twin, with each of them."""
    do(new(), change, "order.update")


def test_who_swallows_the_refusal_still_commits_nothing(new: sessionmaker[ProvenSession]) -> None:
    """Nothing was sent that a commit could keep."""
    with new() as db:
        db.add(Order(id=40))
        with pytest.raises(BoundaryError):
            db.flush()
        db.rollback()
        with pytest.raises(BoundaryError):
            db.execute(delete(Order))
        db.commit()
    assert orders(new) == [(10, ""), (20, "")]


def test_a_proof_ends_with_its_transaction(new: sessionmaker[ProvenSession]) -> None:
    """What it rests on was read and locked there; a session is used again (CWE-367)."""
    with new() as db:
        for end in (db.commit, db.rollback, db.close):
            mark_proven(db, "order.update")
            db.execute(update(Order).values(note="new"))
            end()
            with pytest.raises(BoundaryError):
                db.execute(update(Order).values(note="late"))
            db.rollback()
        mark_proven(db, "order.update")  # before the transaction has begun
        db.close()
        with pytest.raises(BoundaryError):
            db.execute(update(Order).values(note="late"))


def test_a_savepoint_ends_no_proof(new: sessionmaker[ProvenSession]) -> None:
    """It is within the transaction."""
    with new.begin() as db:
        mark_proven(db, "order.update")
        with db.begin_nested():
            db.execute(update(Order).values(note="new"))
        db.get_one(Order, 10).note = "newer"
    assert orders(new) == [(10, "newer"), (20, "new")]


def test_a_savepoint_adds_no_second_judge(new: sessionmaker[ProvenSession]) -> None:
    """CWE-407: each statement is judged once, however many savepoints came before it, and is still judged."""
    with new() as db:
        for expected in (1, 1, 1):
            with db.begin_nested():
                assert len(orders_of(db)) == 2
                with pytest.raises(BoundaryError):
                    db.execute(delete(Order))
            judges: Any = db.connection().dispatch.before_cursor_execute
            assert len(judges) == expected
        mark_proven(db, "order.update")
        with db.begin_nested():
            db.execute(update(Order).values(note="new"))


def orders_of(db: Session) -> list[Order]:
    """Return every order, by this session."""
    return list(db.scalars(select(Order)))


def test_own_verbs_that_change_nothing_are_said(new: sessionmaker[ProvenSession]) -> None:
    """A class of one's own says which."""

    class Own(ProvenSession):
        reads = frozenset({"show"})

    with pytest.raises(BoundaryError, match=r"only order\.show"):
        do(Own(bind=new.kw["bind"]), CHANGES["a new row"], "order.show")
    do(Own(bind=new.kw["bind"]), CHANGES["a new row"], "order.read")


@pytest.mark.parametrize("statement", READS)
def test_a_plain_read_needs_no_proof(statement: str) -> None:
    """Also where it locks, or speaks of a change in a text."""
    assert reads_only(statement)


@pytest.mark.parametrize("statement", WRITES)
def test_what_is_not_known_to_read_is_taken_for_a_change(statement: str) -> None:
    """A change within a WITH, a second statement, a call."""
    assert not reads_only(statement)


def load(digest: str) -> SignedIn:
    """Everybody is Ann."""
    assert digest
    return SignedIn(1, NOON, NOON)


def shop_on(get_session: Any, identity: SessionCookie) -> FastAPI:
    """Return an application with an honest view and with two that forgot the check."""
    perimeter = Perimeter(clock=lambda: NOON)

    async def user(subject: object, db: Any) -> User | None:
        found = db.get(User, subject)
        return await found if isinstance(db, AsyncSession) else found

    shop = perimeter.declare(Client("shop", identity=identity, user=user, policy=may))
    app = guard(FastAPI(), perimeter)
    update_mine = owned(shop, Order.owner_id, "update", session=get_session, content=OrderChange)
    read_mine = owned(shop, Order.owner_id, "read", session=get_session)

    async def rewrite(db: Any, key: int) -> dict[str, bool]:
        found = db.get(Order, key)
        order = await found if isinstance(db, AsyncSession) else found
        order.note = "taken"
        await db.flush() if isinstance(db, AsyncSession) else db.flush()
        return {"ok": True}

    @app.patch("/orders/{order_id}")
    async def change(
        asked: Annotated[Proven[Change[Order, OrderChange], Literal["update"]], update_mine],
    ) -> Any:
        asked.value.object.note = asked.value.content.note
        return {"ok": True}

    @app.get("/orders/{order_id}")
    async def show(
        order: Annotated[Proven[Order, Literal["read"]], read_mine],
        db: Annotated[Any, Depends(get_session)],
    ) -> Any:
        return await rewrite(db, order.value.id)

    @app.post("/orders/{order_id}/note")
    @Public("somebody thought it was")
    async def forgot(order_id: int, db: Annotated[Any, Depends(get_session)]) -> Any:
        return await rewrite(db, order_id)

    return app


@pytest.mark.parametrize("is_async", [False, True])
def test_a_view_that_forgot_the_check_changes_nothing(
    new: sessionmaker[ProvenSession], tmp_path: Path, *, is_async: bool
) -> None:
    """Over FastAPI, with a session of either kind; the view that proves is the admitting twin."""

    def get_session() -> Iterator[Session]:
        with new.begin() as db:
            yield db

    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/shop.db", poolclass=NullPool)
    anew = async_sessionmaker(engine, sync_session_class=ProvenSession, expire_on_commit=False)

    async def aget_session() -> AsyncIterator[AsyncSession]:
        async with anew.begin() as db:
            yield db

    identity = SessionCookie("session", load, origins=[ORIGIN])
    app = shop_on(aget_session if is_async else get_session, identity)
    with TestClient(app, raise_server_exceptions=False) as client:
        client.headers.update({"cookie": f"session={'a' * 32}", "origin": ORIGIN})
        assert client.post("/orders/20/note").status_code == 500
        assert client.get("/orders/10").status_code == 500
        assert orders(new) == [(10, ""), (20, "")]
        assert client.patch("/orders/10", json={"note": "ring twice"}).status_code == 200
        assert orders(new) == [(10, "ring twice"), (20, "")]
