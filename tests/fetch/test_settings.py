"""Policies from TOML and from the environment; a typo, a wrong type or an empty word is said."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pratique import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.fetch import (
    PUBLIC,
    EgressProxy,
    Fetch,
    FetchPolicy,
    Internal,
    load_policy,
    policy_from_environment,
)
from tests.fetch.world import World

TOML = """
[fetch.previews]
hosts = "public"
content_types = ["text/html"]
max_content_bytes = 500_000
deadline = 2.5
redirects = 2

[[fetch.previews.internal]]
host = "wiki.corp"
network = "10.1.0.0/16"
port = 443
reason = "our own wiki"

[fetch.previews.proxy]
host = "proxy.corp"
port = 3128
network = "10.0.0.0/8"
reason = "the only way out"

[fetch.previews.credentials."api.example"]
env = "API_KEY"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of settings."""
    path = tmp_path / "pratique.toml"
    path.write_text(TOML)
    return path


def test_a_table_is_a_policy(file: Path) -> None:
    """The same as in code."""
    made = load_policy(file, "fetch.previews")
    assert made == FetchPolicy(
        hosts=PUBLIC,
        content_types={"text/html"},
        max_content_bytes=500_000,
        deadline=timedelta(seconds=2.5),
        redirects=2,
        internal=[Internal("wiki.corp", "10.1.0.0/16", 443, "our own wiki")],
        proxy=EgressProxy("proxy.corp", 3128, "10.0.0.0/8", "the only way out"),
    )
    assert made.credentials_of.hosts() == ["api.example:443"]


@pytest.mark.parametrize(
    "change",
    [
        ("redirects = 2", "redirect = 2"),
        ("redirects = 2", 'redirects = "two"'),
        ("redirects = 2", "redirects = true"),
        ("deadline = 2.5", 'deadline = "soon"'),
        ("deadline = 2.5", "deadline = 0"),
        ('hosts = "public"', "hosts = []"),
        ('hosts = "public"', 'hosts = "all"'),
        ("port = 443", 'port = "443"'),
        ('reason = "our own wiki"', ""),
        ('env = "API_KEY"', 'value = "API_KEY"'),
        ("[fetch.previews]", "[fetch.other]"),
        ("[fetch.previews]", "[fetch"),
    ],
)
def test_what_is_no_policy_is_said(file: Path, change: tuple[str, str]) -> None:
    """A typo, another type, nothing, no table, no TOML: a BoundaryError, never a TypeError."""
    file.write_text(TOML.replace(*change, 1))
    with pytest.raises(BoundaryError):
        load_policy(file, "fetch.previews")
    with pytest.raises(BoundaryError, match="can't be read"):
        load_policy(file.parent / "none.toml", "fetch.previews")


def test_variables_are_a_policy() -> None:
    """PREVIEWS_HOSTS and the others; what has another prefix is none of ours."""
    made = policy_from_environment(
        "PREVIEWS_",
        {
            "PREVIEWS_HOSTS": "img.example, *.cdn.example",
            "PREVIEWS_PORTS": "443 8443",
            "PREVIEWS_DEADLINE": "2.5",
            "PREVIEWS_MAX_WIRE_BYTES": "1000",
            "OTHER_REDIRECTS": "x",
        },
    )
    assert made == FetchPolicy(
        hosts={"img.example", "*.cdn.example"},
        ports={443, 8443},
        deadline=timedelta(seconds=2.5),
        max_wire_bytes=1000,
    )
    assert policy_from_environment("A_", {"A_HOSTS": "public"}).is_public


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"A_HOSTS": ""},
        {"A_HOSTS": "a.example", "A_REDIRECT": "1"},
        {"A_HOSTS": "a.example", "A_REDIRECTS": "one"},
        {"A_HOSTS": "a.example", "A_DEADLINE": ""},
        {"A_HOSTS": "a.example", "A_PROXY": "http://proxy"},
        {"A_HOSTS": "a.example", "A_PORTS": "https"},
    ],
)
def test_a_variable_that_is_none_is_said(variables: dict[str, str]) -> None:
    """Empty is never "unset", and a typo would leave a limit unset."""
    with pytest.raises(BoundaryError):
        policy_from_environment("A_", variables)


@given(
    st.dictionaries(
        st.sampled_from([*FetchPolicy.__dataclass_fields__, "typo"]),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers() | st.text()),
        max_size=4,
    )
)
@example({"hosts": "public", "deadline": 10**15})
def test_any_settings_are_a_policy_or_said(settings: dict[str, Any]) -> None:
    """Nothing but BoundaryError leaves, from a table or from code."""
    for make in (FetchPolicy.of, lambda given: FetchPolicy(**given)):
        try:
            assert make(settings).hosts  # type: ignore[operator]
        except BoundaryError:
            continue
        except TypeError as error:
            if "unexpected keyword" not in str(error):  # Python's own, of a call in code
                raise


def test_a_declared_boundary_fetches_by_itself(world: World) -> None:
    """In a perimeter, started: each fetch is one of its crossings. Before that, nothing goes out."""
    world.names["a.example"] = ["93.184.215.14"]
    perimeter = Perimeter()
    previews = perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    with pytest.raises(BoundaryError, match="hasn't started"):
        previews.get("https://a.example/")
    with perimeter:
        page = previews.get("https://a.example/")
        assert page.value.content == b"OK-FINAL"
        found = perimeter.find(page.crossing_id)
        assert found is not None
        assert (found.boundary, found.outcome) == ("previews", "proven")
        assert previews.post("https://a.example/", content=b"x").value.status == 200


async def test_a_declared_boundary_fetches_on_the_loop(world: World) -> None:
    """The same, async."""
    world.names["a.example"] = ["93.184.215.14"]
    perimeter = Perimeter()
    previews = perimeter.declare(Fetch("previews", FetchPolicy(hosts=PUBLIC)))
    async with perimeter:
        assert (await previews.aget("https://a.example/")).value.content == b"OK-FINAL"
        assert (await previews.apost("https://a.example/", content=b"x")).value.status == 200
