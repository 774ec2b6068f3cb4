"""CL-17: a GraphQL query names as many objects as it likes, and each crosses by itself, for its own caller."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import httpx
import msgspec
import pytest
import strawberry
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session as Db
from sqlalchemy.pool import NullPool
from starlette.testclient import TestClient
from strawberry.extensions import (
    MaskErrors,
    MaxAliasesLimiter,
    MaxTokensLimiter,
    QueryDepthLimiter,
)
from strawberry.fastapi import GraphQLRouter

from pratique import Proven
from pratique.client import Change, Writable
from pratique.integrations.fastapi import Perform, Reach, called, perform, reach
from tests.client.market import LIMIT, TOKENS, Code, Coupon, Guess, Market, User
from tests.client.shop import ORIGIN
from tests.client.test_start import debts

MOST = 10
Ask = Callable[..., httpx.Response]


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """A GraphQL request, whole."""

    query: Annotated[str, msgspec.Meta(max_length=8000)]
    variables: Annotated[dict[str, Any], Writable("the schema says what each may be")] = {}
    operationName: str | None = None  # noqa: N815  as GraphQL over HTTP spells it


@strawberry.type
class CouponNode:
    """A coupon as the schema shows it."""

    id: strawberry.ID
    value: int

    @strawberry.field
    async def again(self, info: strawberry.Info) -> Optional["CouponNode"]:
        """Nest without an end."""
        return await coupon(info, self.id)


async def coupon(info: strawberry.Info, key: object) -> CouponNode:
    """Reach a coupon for whoever sent the query."""
    info.context["asked"].append(key)
    found = (await info.context["coupons"](key)).value
    return CouponNode(id=strawberry.ID(str(found.id)), value=found.value)


@strawberry.type
class Query:
    """What may be read."""

    @strawberry.field
    async def node(self, info: strawberry.Info, id: strawberry.ID) -> CouponNode | None:
        """Read one coupon."""
        return await coupon(info, id)


@strawberry.type
class Mutation:
    """What may be done."""

    @strawberry.mutation
    async def confirm(self, info: strawberry.Info, id: int, code: str) -> bool | None:
        """Confirm a code."""
        await info.context["confirm"](id, Guess(code=code))
        return True


def schema(*bounds: Any) -> strawberry.Schema:
    """Return the schema, with bounds of its own or none."""
    return strawberry.Schema(
        Query,
        Mutation,
        extensions=[MaskErrors, *(lambda made=made: made for made in bounds)],
    )


class World:
    """The market with a GraphQL route."""

    def __init__(self, url: str, *, is_async: bool) -> None:
        self.market, self.asked = Market(url, is_async=is_async), list[object]()
        self.schema = schema()
        self.session = self._session(url, is_async=is_async)
        client = self.market.client
        graphql = called(client, "graphql", content=Sent, session=self.session)
        coupons = reach(client, Coupon.owner_id, "read", session=self.session, most=MOST)
        confirm = perform(self.market.confirm)

        @self.market.app.post("/graphql")
        async def run(
            sent: Annotated[Proven[Change[User, Sent], Literal["graphql"]], graphql],
            coupons: Annotated[Reach[Coupon, Literal["read"]], coupons],
            confirm: Annotated[Perform, confirm],
        ) -> Any:
            said = sent.value.content
            result = await self.schema.execute(
                said.query,
                variable_values=said.variables,
                operation_name=said.operationName,
                context_value={"coupons": coupons, "confirm": confirm, "asked": self.asked},
            )
            errors = [error.message for error in result.errors or ()]
            return {"data": result.data, "errors": errors}

    def _session(self, url: str, *, is_async: bool) -> Any:
        def db() -> Iterator[Db]:
            with self.market.new() as session:
                yield session

        async def adb() -> AsyncIterator[AsyncSession]:
            engine = create_async_engine(
                url.replace("sqlite:", "sqlite+aiosqlite:"), poolclass=NullPool
            )
            async with async_sessionmaker(engine)() as session:
                yield session

        return adb if is_async else db

    def codes(self) -> list[str]:
        """Return the codes of what was refused."""
        return [record.code for record in self.market.kept.records if record.code]


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give the market, by both kinds of session."""
    made = World(f"sqlite:///{tmp_path}/market.db", is_async=request.param == "async")
    yield made
    made.market.engine.dispose()


@pytest.fixture
def ask(world: World) -> Iterator[Ask]:
    """Give what sends a query as somebody."""
    with TestClient(world.market.app) as http:

        def send(query: Any, who: str = "ann", **more: Any) -> httpx.Response:
            content = {"query": query, **more} if isinstance(query, str) else query
            headers = {"cookie": f"session={TOKENS.get(who, who)}", "origin": ORIGIN}
            return http.post("/graphql", json=content, headers=headers)

        yield send


def aliases(field: str, count: int) -> str:
    """Return as many aliases of one field; {n} is its number."""
    return " ".join(f"a{n}: {field.replace('{n}', str(n))}" for n in range(count))


def test_a_query_reaches_what_is_its_callers(world: World, ask: Ask) -> None:
    """CL-17, CL-01: by id and by variable; another's, one that isn't there and one that can't be look alike, and ones own is shown beside them."""
    query = (
        '{ own: node(id: "10") { value } '
        + " ".join(
            f'x{n}: node(id: "{key}") {{ value }}'
            for n, key in enumerate((20, 999, 2**63, 2**70, "x", ""))
        )
        + " }"
    )
    answer = ask(query).json()
    assert answer["data"] == {"own": {"value": 7}, **{f"x{n}": None for n in range(6)}}
    assert set(answer["errors"]) == {answer["errors"][0]}
    assert not any(code in str(answer) for code in world.codes())
    named = ask("query($id: ID!) { node(id: $id) { value } }", "bob", variables={"id": "20"})
    assert named.json()["data"] == {"node": {"value": 7}}


def test_each_object_crosses_within_the_request_that_names_it(world: World, ask: Ask) -> None:
    """EV-01: what is shown and what isn't has an event of its own, which names the query's."""
    ask('{ a: node(id: "10") { value } b: node(id: "20") { value } }')
    query, shown, hidden = world.market.kept.records
    assert (query.declaration, shown.declaration) == ("graphql", "coupon.read")
    assert (hidden.outcome, hidden.code) == ("refused", "not_found")
    assert {shown.within, hidden.within} == {query.crossing_id}


def test_one_request_asks_for_so_many_objects_and_no_more(world: World, ask: Ask) -> None:
    """CL-17, CWE-770: past the bound nothing is looked for, not even ones own; up to it all are, side by side on one session."""
    field = 'node(id: "10") { value }'
    within_bounds = ask("{ " + aliases(field, MOST) + " }").json()
    assert within_bounds["data"] == {f"a{n}": {"value": 7} for n in range(MOST)}
    over = ask("{ " + aliases(field, 5 * MOST) + " }").json()["data"]
    assert [bool(over[f"a{n}"]) for n in range(5 * MOST)] == [n < MOST for n in range(5 * MOST)]
    assert set(world.codes()) == {"too_many_objects"}


def test_aliases_guess_no_code(world: World, ask: Ask) -> None:
    """CL-17, CL-14: fifty guesses in one query are fifty attempts, and the right one comes too late; in time it is done, once."""
    wrong = aliases('confirm(id: 1, code: "00000{n}")', LIMIT)
    right = 'confirm(id: 1, code: "493021")'
    late = ask(f"mutation {{ {wrong} {aliases(right, 45).replace('a', 'b')} }}").json()
    assert world.market.effects() == 0
    assert not any(late["data"].values())
    assert world.codes().count("too_many_attempts") == 45
    own = "mutation { " + aliases('confirm(id: 3, code: "493021")', 3) + " }"
    assert ask(own, "bob").json()["data"] == {"a0": True, "a1": None, "a2": None}
    assert world.market.effects("Code 3") == 1


def test_another_ones_code_is_not_confirmed(world: World, ask: Ask) -> None:
    """CL-17, CL-02: by id it isn't found, whatever the code; its owner confirms it."""
    query = 'mutation { confirm(id: 3, code: "493021") }'
    assert ask(query).json()["data"] == {"confirm": None}
    assert world.market.effects() == 0
    assert ask(query, "bob").json()["data"] == {"confirm": True}


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ([{"query": "{ __typename }"}, {"query": "{ __typename }"}], 422),
        ({"query": "{ __typename }", "owner_id": 2}, 422),
        ({"query": f"{{ {' ' * 8000} __typename }}"}, 422),
        ({"query": "{ __typename }", "variables": [1]}, 422),
        ({"query": "{ __typename }"}, 200),
    ],
)
def test_a_batch_and_a_long_query_are_not_run(
    world: World, ask: Ask, content: Any, status: int
) -> None:
    """CL-17: one query a request, so long and no longer, and nothing beside it."""
    assert ask(content).status_code == status


def test_nobody_runs_a_query(world: World, ask: Ask) -> None:
    """No resolver is called before who calls is proven; an honest caller's are."""
    assert ask('{ node(id: "10") { value } }', "x" * 32).status_code == 401
    assert world.asked == []
    ask('{ node(id: "10") { value } }')
    assert world.asked == ["10"]


def test_the_schemas_own_bounds_stop_depth_aliases_and_tokens(world: World, ask: Ask) -> None:
    """CL-17, CWE-674: strawberry's limits refuse before a resolver runs; a plain query passes all of them."""
    world.schema = schema(
        QueryDepthLimiter(max_depth=3), MaxAliasesLimiter(3), MaxTokensLimiter(60)
    )
    nested = "again { " * 5 + "value" + " }" * 5
    for query in (
        f'{{ node(id: "10") {{ {nested} }} }}',
        "{ " + aliases('node(id: "10") { value }', 4) + " }",
        "{ " + 'node(id: "10") { value } ' * 20 + "}",
    ):
        answer = ask(query).json()
        assert answer["errors"]
        assert not answer["data"]
        assert world.asked == []
    shallow = ask('{ a: node(id: "10") { again { value } } }').json()
    assert shallow["data"] == {"a": {"again": {"value": 7}}}


@pytest.mark.parametrize("is_reaching", [False, True])
def test_a_graphql_route_that_proves_nothing_does_not_start(
    tmp_path: Path, is_reaching: bool
) -> None:
    """A router of the library's own is naked, also one that could reach and proves nobody; the view that has a proof starts."""
    world = World(f"sqlite:///{tmp_path}/market.db", is_async=False)
    codes = reach(world.market.client, Code.owner_id, "read", session=world.session)

    async def context(codes: Any) -> dict[str, Any]:
        return {"codes": codes}

    context.__annotations__["codes"] = Annotated[Reach[Code, Literal["read"]], codes]
    given: dict[str, Any] = {"context_getter": context} if is_reaching else {}
    world.market.app.include_router(GraphQLRouter(world.schema, **given), prefix="/query")
    assert any("/query is naked" in debt for debt in debts(world.market.app))
    world.market.engine.dispose()
    twin = World(f"sqlite:///{tmp_path}/twin.db", is_async=False)
    assert debts(twin.market.app) == []
    twin.market.engine.dispose()
