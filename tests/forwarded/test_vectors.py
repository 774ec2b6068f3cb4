"""Every request of the vectors: the origin, or the refusal, as it is labelled."""

from typing import Any

import pytest

from pratique.core.claim import Fields
from pratique.core.refusal import BoundaryError, Refused
from pratique.forwarded import ProxyPolicy, origin_of
from tests.forwarded.cases import CASES, policy_of

skip_without = pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")


def decided(case: dict[str, Any]) -> Any:
    """Return the origin as the vectors write it, or "refuse"."""
    try:
        fields = Fields([(name, value) for name, value in case["headers"]])
        found = origin_of(case["peer"], fields, policy_of(case), target=case.get("target", "/"))
    except Refused as refused:
        return "refuse" if refused.status == 400 else refused.status
    return {"client": found.client, "scheme": found.scheme, "host": found.host}


@skip_without
def test_every_request_is_decided_as_labelled() -> None:
    """The strict expectation, never an alternative of other people's."""
    asked = [case for case in CASES if case.get("where") != "startup"]
    wrong = [
        (case["id"], got, case["expect"])
        for case in asked
        if (got := decided(case)) != case["expect"]
    ]
    print(f"{len(asked)} requests, {len(wrong)} wrong")
    assert wrong == []


@skip_without
@pytest.mark.parametrize(
    "case", [case for case in CASES if case.get("where") == "startup"], ids=lambda case: case["id"]
)
def test_a_declaration_that_trusts_anybody_is_refused_at_the_start(case: dict[str, Any]) -> None:
    """Before a request comes."""
    with pytest.raises(BoundaryError):
        policy_of(case)


def test_a_policy_of_the_vectors_starts() -> None:
    """The twin."""
    policy = ProxyPolicy(trusted=("10.0.0.0/8",), header="x-forwarded-for", hosts=("a.example",))
    assert policy.peers
