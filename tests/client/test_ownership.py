"""Rows of one owner: by every kind of mapping that SQLAlchemy has, and never nobody's."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import BigInteger, ForeignKey, Integer, String, create_engine, literal_column
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import (
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.pool import NullPool

from pratique.client.ownership import OwnedRows
from pratique.core.refusal import BoundaryError


class Base(DeclarativeBase): ...


class Owner(Base):
    __tablename__ = "owner"
    id: Mapped[int] = mapped_column(primary_key=True)
    papers: Mapped[list["Paper"]] = relationship(back_populates="owner")


class Paper(Base):
    __tablename__ = "paper"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    state: Mapped[str] = mapped_column(default="open")
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("owner.id"))
    owner: Mapped[Owner | None] = relationship(back_populates="papers")
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}  # noqa: RUF012  as SQLAlchemy types it


class Invoice(Paper):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    total: Mapped[int]
    __mapper_args__ = {"polymorphic_identity": "invoice"}  # noqa: RUF012  as SQLAlchemy types it


class Sheet(Base):
    __tablename__ = "sheet"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    owner_id: Mapped[int]


class Tome(Base):
    __tablename__ = "tome"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    owner_id: Mapped[int]


class Line(Base):
    __tablename__ = "line"
    paper_id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(default="")


class Voucher(Base):
    __tablename__ = "voucher"
    code: Mapped[str] = mapped_column(String(collation="NOCASE"), primary_key=True)
    owner_id: Mapped[int]


def owner_of(user: Any) -> Any:
    """Return whose rows a user may reach."""
    return user.id


@pytest.fixture
def db(tmp_path: Any) -> Iterator[Session]:
    """Give a database with papers of two owners and of nobody."""
    engine = create_engine(f"sqlite:///{tmp_path}/papers.db", poolclass=NullPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Owner(id=1), Owner(id=2)])
        session.flush()
        session.add_all(
            [Invoice(id=10, owner_id=1, total=1), Paper(id=11, owner_id=1, kind="paper")]
        )
        session.add_all([Invoice(id=20, owner_id=2, total=2), Paper(id=30, kind="paper")])
        session.commit()
        yield session
    engine.dispose()


def found(
    db: Session, key: int, column: Any = Paper.owner_id, by: Any = owner_of, **more: Any
) -> Any:
    """Return the id of the row that owner 1 reaches, None without one."""
    row = OwnedRows(column, by=by, **more).find(db.get(Owner, 1), key, db)
    return None if row is None else row.id


def test_a_joined_table_has_its_parents_owner(db: Session) -> None:
    """CL-01: an invoice is looked for by the paper's owner; another's, and a paper that is no invoice, aren't found."""
    assert [found(db, key, Invoice.owner_id) for key in (10, 11, 20)] == [10, None, None]
    assert [found(db, key) for key in (10, 11, 20)] == [10, 11, None]


def test_a_row_has_one_spelling(db: Session) -> None:
    """CWE-178: a collation without case finds a voucher by each spelling, and each would be redeemed once; its own finds it."""
    db.add(Voucher(code="a1", owner_id=1))
    db.flush()
    for staff in (None, lambda _: True):
        rows = OwnedRows(Voucher.owner_id, by=owner_of, all_for=staff)
        user = db.get(Owner, 1)
        assert rows.find(user, "A1", db) is None
        assert rows.find(user, "a1", db).code == "a1"


def test_an_empty_owner_owns_nothing(db: Session) -> None:
    """CL-01: a user without a tenant isn't the owner of the rows that have none; one with a tenant finds its own."""
    db.add_all([Note(id=1), Note(id=2, tenant="t1")])
    db.flush()
    assert found(db, 1, Note.tenant, lambda _: "") is None
    assert found(db, 1, Note.tenant, lambda _: "t1") is None
    assert found(db, 2, Note.tenant, lambda _: "t1") == 2


@pytest.mark.parametrize(
    "by",
    [
        lambda _: None,
        lambda _: True,
        lambda _: Owner.id,
        lambda _: literal_column("owner_id"),
        lambda _: Paper.owner_id,
        lambda _: "",
    ],
)
def test_what_is_no_owner_owns_nothing(db: Session, by: Any) -> None:
    """CL-01: nobody, yes, or a column in the place of its value: no row, and not everybody's; the owner's own is found."""
    assert [found(db, key, by=by) for key in (10, 20, 30)] == [None, None, None]
    assert found(db, 10) == 10


@pytest.mark.parametrize(
    "column", [Paper.owner, Paper.__table__.c.owner_id, "owner_id", Line.owner_id]
)
def test_what_is_no_column_of_a_model_does_not_start(column: Any) -> None:
    """A relationship, a bare table, a name, and a key of two columns are said at the start; a mapped column starts."""
    with pytest.raises(BoundaryError):
        OwnedRows(column, by=owner_of)
    assert OwnedRows(Paper.owner_id, by=owner_of).name == "Paper"


def test_a_locked_row_is_the_one_of_now(db: Session) -> None:
    """CL-09, CWE-367: what the session knew of a row is read again under its lock; else the policy judges a memory."""
    user = db.get(Owner, 1)
    assert user is not None
    for paper in user.papers:  # as a user callable that loads more than the user would
        assert paper.state == "open"
    with Session(db.get_bind()) as other:
        other.get_one(Paper, 11).state = "sealed"
        other.get_one(Paper, 10).state = "sealed"
        other.commit()
    row = OwnedRows(Paper.owner_id, by=owner_of, lock=True).find(user, 11, db)
    assert row.state == "sealed"


LARGE = (2**31, 2**32 + 10, 2**53, 2**63 - 1, 2**63, 2**64 + 10, int("9" * 250))


@pytest.mark.parametrize("driver", ["sqlite", "psycopg", "asyncpg"])
@pytest.mark.server
async def test_a_key_that_no_row_can_have_is_not_found(
    driver: str, request: pytest.FixtureRequest, tmp_path: Any
) -> None:
    """CL-16, CWE-190: past 32 or 64 bits it is like an id that isn't there, and the transaction goes on; the largest of each column is found."""
    url = f"sqlite+aiosqlite:///{tmp_path}/keys.db"
    if driver != "sqlite":
        made = make_url(request.getfixturevalue("pg_url")).set(drivername=f"postgresql+{driver}")
        url = made.render_as_string(hide_password=False)
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        for model in (Owner, Sheet, Tome):
            await connection.run_sync(Base.metadata.tables[model.__tablename__].create)
    small, large = OwnedRows(Sheet.owner_id, by=owner_of), OwnedRows(Tome.owner_id, by=owner_of)
    async with AsyncSession(engine) as session:
        session.add_all([Owner(id=1), Sheet(id=2**31 - 1, owner_id=1)])
        session.add_all([Tome(id=key, owner_id=1) for key in (2**31, 2**63 - 1)])
        await session.flush()
        user = await session.get(Owner, 1)
        for key in LARGE:
            assert await small.find(user, small.read_key(str(key)), session) is None
        found = [
            await rows.find(user, rows.read_key(str(key)), session)
            for rows, key in ((small, 2**31 - 1), *((large, key) for key in LARGE))
        ]
    await engine.dispose()
    assert [row and row.id for row in found] == [
        2**31 - 1,
        *(key if key in (2**31, 2**63 - 1) else None for key in LARGE),
    ]


async def test_a_scoped_session_of_a_loop_is_awaited(db: Session) -> None:
    """A proxy of an AsyncSession is no AsyncSession; what it gives is awaited all the same."""
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{db.get_bind().engine.url.database}", poolclass=NullPool
    )
    scoped: Any = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    plain = AsyncSession(engine)
    rows = OwnedRows(Paper.owner_id, by=owner_of)
    for session in (scoped, plain):
        user = await session.get(Owner, 1)
        assert (await rows.find(user, 10, session)).id == 10
        assert await rows.find(user, 20, session) is None
        await session.close()
    await engine.dispose()


@pytest.mark.parametrize(
    ("told", "keys"), [(True, [10, 20, 30]), (False, [10]), (1, [10]), (None, [10])]
)
def test_staff_reach_rows_of_others_by_exactly_true(
    db: Session, told: Any, keys: list[int]
) -> None:
    """Whom our own state calls staff finds anybody's row; truthy, no and nothing are the user's own alone."""
    found_ones = [found(db, key, all_for=lambda _: told) for key in (10, 20, 30)]
    assert [one for one in found_ones if one is not None] == keys
    assert found(db, 99, all_for=lambda _: told) is None
    assert "among all" in OwnedRows(Paper.owner_id, by=owner_of, all_for=lambda _: told).words
    assert "among all" not in OwnedRows(Paper.owner_id, by=owner_of).words
