"""Every URL of the vectors, by every way to fetch: the verdict, and what was touched before it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pratique.fetch import PUBLIC, FetchPolicy, gate
from tests.fetch.clients import CLIENTS, REFUSALS
from tests.fetch.world import Seen, World, reply
from tests.vector_files import find, read

PATH = find("fetch.jsonl")
POLICIES_PATH = find("fetch_policies.json")
TABLE = Path(__file__).parents[2] / "docs/reference/debatable-urls.md"
CASES = read(PATH) if PATH is not None else []
# These libraries read a port by int() before a transport or connector sees the URL: ":+80" and ": 80"
# arrive as port 80, which the policy names. Who wants them refused asks gate(url, policy) first.
READ_BEFORE_US = {
    client: {"port-lexical-001": "allow", "port-lexical-002": "allow"}
    for client in ("httpx", "async httpx", "httpx2", "async httpx2", "aiohttp")
}


def policies() -> dict[str, FetchPolicy]:
    """Return the policies that the cases name."""
    assert POLICIES_PATH is not None
    return {
        name: FetchPolicy(
            hosts=PUBLIC if given["hosts"] is None else frozenset(given["hosts"]),
            schemes=frozenset(given["schemes"]),
            ports=frozenset(given["ports"]),
            redirects=given["max_redirects"],
        )
        for name, given in json.loads(POLICIES_PATH.read_text()).items()
    }


def play(world: World, case: dict[str, Any]) -> None:
    """Set the names and the redirects of a case."""
    world.names = dict(case["dns"])
    hops = case["redirect_to"] or []

    def answer(seen: Seen) -> bytes:
        if hops == ["LOOP"]:
            return reply(302, b"", Location=case["url"])
        if seen.number < len(hops):
            return reply(case.get("status", 302), b"", Location=hops[seen.number])
        return reply()

    world.server.answer = answer
    world.server.seen.clear()
    world.touched.clear()
    world.lookups.clear()


def wrong(world: World, fetch: Callable[[FetchPolicy, list[str]], Any], **other: str) -> list[Any]:
    """Return the cases that are decided in another way than they are labelled, or than *other* says."""
    known, found = policies(), []
    for case in CASES:
        play(world, case)
        try:
            got = fetch(known[case["policy"]], [case["url"]])
            verdict = "allow" if got == [(200, b"OK-FINAL")] else f"{got}"
        except REFUSALS:
            verdict = "refuse"
        may = case["may_touch"]
        outside = [
            touched
            for touched in world.touched
            if touched not in may and touched.rpartition(":")[0] not in may
        ]
        expected = other.get(case["id"], case["expect"])
        is_right = verdict == expected or (verdict == "allow" and bool(may))
        if expected == "refuse":
            is_right = is_right and not outside
        if len(world.server.seen) > case.get("max_requests", 99) or not is_right:
            found.append((case["id"], verdict, outside))
    return found


@pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")
@pytest.mark.parametrize("client", CLIENTS)
def test_every_case_is_decided_as_labelled(world: World, client: str) -> None:
    """Refused cases touch nothing outside `may_touch`; admitted ones bring the final 200 back."""
    found = wrong(world, CLIENTS[client], **READ_BEFORE_US.get(client, {}))
    print(f"{client}: {len(CASES)} cases, {len(found)} wrong")
    assert found == []


@pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")
@pytest.mark.parametrize("client", READ_BEFORE_US)
def test_text_that_is_gated_first_is_decided_as_labelled(world: World, client: str) -> None:
    """As the how-to has it for a user's text: `gate(url, policy).url` is what the client is given."""

    def fetch(policy: FetchPolicy, urls: list[str]) -> Any:
        return CLIENTS[client](policy, [gate(url, policy).url for url in urls])

    assert wrong(world, fetch) == []


def debatable() -> dict[str, str]:
    """Return what docs/reference/debatable-urls.md decides, URL by URL."""
    rows = re.findall(r"^\| (`.*`) \| (allow|refuse) \| ", TABLE.read_text(), re.MULTILINE)
    return {url: verdict for urls, verdict in rows for url in re.findall(r"`([^`]*)`", urls)}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_debatable_is_decided_as_the_table_says(world: World, client: str) -> None:
    """Where a careful guard may decide either way, every client decides the same."""
    policy, decided = FetchPolicy(hosts=PUBLIC, schemes={"http"}), {}
    for url in debatable():
        try:
            got = CLIENTS[client](policy, [url])
        except REFUSALS:
            decided[url] = "refuse"
        else:
            decided[url] = "allow" if got == [(200, b"OK-FINAL")] else str(got)
    assert decided == debatable()


def test_every_case_without_a_score_is_in_the_table() -> None:
    """A case that isn't scored is decided, and the page says why."""
    unscored = {case["url"] for case in CASES if case.get("scored") is False}
    assert unscored <= debatable().keys()
