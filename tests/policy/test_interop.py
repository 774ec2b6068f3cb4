"""The decisions of the AuthZEN interop, asked of a decision point that decides by Cedar policies."""

import json
from typing import Any

import pytest

from pratique.fetch import Fetch
from pratique.policy import AsyncAuthZenPolicy, AuthZenPolicy, Named
from tests import vector_files
from tests.policy import interop
from tests.policy.pdp import cedar_point, decision_point, fetch_to

TODO = "authzen/interop_authzen-todo-backend_test_decisions"
FILES = [
    f"{TODO}.json",
    *(f"{TODO}-authorization-api-1_0-0{draft}.json" for draft in range(3)),
    "authzen/interop_authzen-api-gateways_test-harness_test_decisions.json",
]


def read(name: str) -> dict[str, list[dict[str, Any]]]:
    """Read a file of decisions in place; skip, visibly, where it is absent."""
    path = vector_files.find(name)
    if path is None:
        pytest.skip(f"no vectors {name}: neither in PRATIQUE_VECTORS nor in tests/vectors")
    found: dict[str, list[dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def named(told: dict[str, Any]) -> Named:
    """Return a subject or resource; older drafts have its properties beside the id."""
    more = {k: v for k, v in told.items() if k not in ("type", "id", "properties", "_note")}
    return Named(told["type"], told["id"], {**more, **told.get("properties", {})})


def asked(request: dict[str, Any]) -> tuple[Any, str, Any]:
    """Return (user, verb, object) of a request."""
    return request["subject"], request["action"]["name"], request["resource"]


def client(url: str, fetch: Fetch) -> AuthZenPolicy:
    """Return our client."""
    return AuthZenPolicy(url, fetch, subject=named, resource=named)


@pytest.mark.parametrize("name", FILES)
async def test_every_decision_of_the_interop_is_made(name: str) -> None:
    """One by one, in one batch, and on an event loop: each decision is the expected one."""
    told = read(name)
    cases = told.get("evaluation", told.get("decisions", []))
    expected = [case["expected"] for case in cases]
    assert set(expected) == {True, False}
    with decision_point(cedar_point(interop.policy())) as point, fetch_to(point) as fetch:
        pdp = client(point.url, fetch)
        assert [pdp(*asked(case["request"])).is_allowed for case in cases] == expected
        together = pdp.decide_all([asked(case["request"]) for case in cases])
        assert [one.is_allowed for one in together] == expected
        later = AsyncAuthZenPolicy(point.url, fetch, subject=named, resource=named)
        awaited = await later.decide_all([asked(case["request"]) for case in cases])
        assert [one.is_allowed for one in awaited] == expected
        await fetch.aclose()
    assert len(point.asked) == len(cases) + 2
    print(f"{name}: {len(cases)} decisions, three ways")


def test_every_batch_of_the_interop_is_decided() -> None:
    """Access Evaluations: as many decisions as questions, in their order."""
    batches = read(FILES[3])["evaluations"]
    with decision_point(cedar_point(interop.policy())) as point, fetch_to(point) as fetch:
        for batch in batches:
            request = batch["request"]
            several = [asked({**request, **one}) for one in request["evaluations"]]
            told = client(point.url, fetch).decide_all(several)
            assert [{"decision": one.is_allowed} for one in told] == batch["expected"]
    print(f"{len(batches)} batches")
