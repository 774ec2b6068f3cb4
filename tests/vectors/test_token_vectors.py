"""Every token that we have with its policy, decided as it is labelled, and nothing but Refused raised."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique.core.proofs.authentic.cache import TokenCache
from pratique.core.proofs.authentic.jwt import TokenPolicy, verify_token
from pratique.core.refusal import BoundaryError, Refused
from tests.vector_files import find, read

PATH = find("jwt.jsonl")
ENTRIES = read(PATH) if PATH is not None else []


def policy_of(entry: dict[str, Any]) -> TokenPolicy:
    """Make the policy of one entry."""
    given, keys = entry["policy"], entry["keys"]
    age = given.get("max_age")
    return TokenPolicy(
        issuer=given["issuer"],
        audience=given["audience"],
        algorithms=tuple(given["algs"]),
        type=given["typ"],
        keys=keys[keys["type"]],
        leeway=timedelta(seconds=given["leeway"]),
        max_age=timedelta(seconds=age) if age else None,
    )


def test_vectors_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file must not pass, nor one that only refuses. Prints how many there are."""
    with capsys.disabled():
        print(f" [{len(ENTRIES)} tokens]", end="")
    assert {entry["expect"] for entry in ENTRIES} == {"accept", "reject"}


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_a_token_is_decided_as_labelled(entry: dict[str, Any]) -> None:
    """A policy that can't be made refuses too: before any token comes. A cache changes nothing."""
    at = datetime.fromtimestamp(entry["policy"]["now"], UTC)
    try:
        policy = policy_of(entry)
    except BoundaryError:
        assert entry["expect"] == "reject", entry["why"]
        return
    cache = TokenCache()
    for verify in (verify_token, cache.verify, cache.verify):
        try:
            verify(entry["token"], policy, at=at)
            verdict = "accept"
        except Refused as refused:
            verdict = "reject" if refused.status == 401 else f"reject with {refused.status}"
        assert verdict == entry["expect"], entry["why"]
