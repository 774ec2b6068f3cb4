"""The requests of forwarded.jsonl, and the policy of each."""

from typing import Any

from pratique.forwarded import ProxyPolicy
from tests.vector_files import find, read

PATH = find("forwarded.jsonl")
CASES = read(PATH) if PATH is not None else []
INFORMS = "hops_equiv"


def policy_of(case: dict[str, Any]) -> ProxyPolicy:
    """Return the policy of a case.

    Raises:
        BoundaryError: it is one that must not start.
    """
    given = dict(case["policy"])
    given.pop(INFORMS, None)
    given["hosts"] = given.pop("allowed_hosts")
    return ProxyPolicy(**given)
