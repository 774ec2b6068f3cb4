"""Policies from TOML and from the environment; a typo, a wrong type or an empty word is said."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pratique import Perimeter, Secret
from pratique.core.refusal import BoundaryError
from pratique.fetch import (
    PUBLIC,
    Credential,
    EgressProxy,
    Fetch,
    FetchPolicy,
    Internal,
    load_policy,
    policy_from_environment,
)
from pratique.fetch.table import READERS
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
credential = { env = "PROXY_LOGIN" }

[fetch.previews.credentials."api.example"]
env = "API_KEY"
field = "X-Api-Key"
scheme = ""
"""
PROXY = """credential = { env = "PROXY_LOGIN" }"""
LITERAL = "corp-user:n0t-in-a-f1le"


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
        proxy=made.proxy,
    )
    assert made.proxy is not None
    assert replace(made.proxy, credential=None) == EgressProxy(
        "proxy.corp", 3128, "10.0.0.0/8", "the only way out"
    )
    assert made.credentials_of.hosts() == ["api.example:443"]


def test_the_secrets_of_a_table_are_read_at_the_start(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table names variables: unset, each is a debt; set, they are what goes out."""
    made = load_policy(file, "fetch.previews")
    assert [debt.split()[1] for debt in made.unread()] == ["API_KEY", "PROXY_LOGIN"]
    monkeypatch.setenv("API_KEY", "k-1f8e2d3c4b5a69788")
    monkeypatch.setenv("PROXY_LOGIN", LITERAL)
    assert made.unread() == []
    sent = made.credentials_of.line_for(scheme="https", host="api.example", port=443)
    assert sent == ("X-Api-Key", "k-1f8e2d3c4b5a69788")
    assert made.proxy is not None
    assert b"Proxy-Authorization: Basic Y29ycC" in made.proxy.ask("93.184.215.14", 443)


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
        ('env = "API_KEY"', 'env = "API_KEY"\nenvironment = "API_KEY"'),
        ('env = "API_KEY"', "env = 5"),
        ('env = "API_KEY"', 'env = " "'),
        ('field = "X-Api-Key"', 'feild = "X-Api-Key"'),
        ('field = "X-Api-Key"', "field = 5"),
        ('field = "X-Api-Key"', 'field = "Host"'),
        ('scheme = ""', "scheme = 5"),
        ('scheme = ""', 'scheme = "two words"'),
        (PROXY, f'credential = "{LITERAL}"'),
        (PROXY, f'credential = {{ env = "PROXY_LOGIN", value = "{LITERAL}" }}'),
        (PROXY, 'credential = { name = "PROXY_LOGIN" }'),
        (PROXY, "enforces = 5"),
        (PROXY, "controller = true"),
        (PROXY, 'credentials = { env = "PROXY_LOGIN" }'),
        ('reason = "the only way out"', "reason = 5"),
        ('network = "10.1.0.0/16"', "network = 5"),
        ('host = "wiki.corp"', 'hots = "wiki.corp"'),
        ('host = "wiki.corp"', "host = 5"),
        ("port = 443", "port = true"),
        ("[[fetch.previews.internal]]", "[fetch.previews.internal]"),
        ('[fetch.previews.credentials."api.example"]', "[fetch.previews.credentials]"),
        ("deadline = 2.5", "deadline = true"),
        ("deadline = 2.5", "deadline = nan"),
        ("redirects = 2", "off_limits = [5]"),
        ("redirects = 2", 'off_limits = "10.0.0.0/8"'),
        ("redirects = 2", "ports = 443"),
        ("redirects = 2", "ports = { a = 443 }"),
        ("redirects = 2", "schemes = [5]"),
        ("redirects = 2", "observe = { reason = 'x' }"),
        ('content_types = ["text/html"]', "content_types = { 'text/html' = true }"),
        ("[fetch.previews]", "[fetch.other]"),
        ("[fetch.previews]", "[fetch"),
    ],
)
def test_what_is_no_policy_is_said(file: Path, change: tuple[str, str]) -> None:
    """A typo, another type, nothing, no table, no TOML: a BoundaryError, never a TypeError."""
    assert change[0] in TOML
    file.write_text(TOML.replace(*change, 1))
    with pytest.raises(BoundaryError) as caught:
        load_policy(file, "fetch.previews")
    assert LITERAL not in str(caught.value)
    with pytest.raises(BoundaryError, match="can't be read"):
        load_policy(file.parent / "none.toml", "fetch.previews")


def test_a_secret_in_the_table_is_told_where_to_go() -> None:
    """CWE-798: the text names the mend and not the secret; by a variable's name it is a policy."""
    way = {"host": "proxy.corp", "port": 3128, "network": "10.0.0.0/8", "reason": "x"}
    literals: list[dict[str, Any]] = [
        {"proxy": {**way, "credential": LITERAL}},
        {"credentials": {"api.example": LITERAL}},
    ]
    for table in literals:
        with pytest.raises(BoundaryError, match="environment variable") as caught:
            FetchPolicy.of({"hosts": "public", **table})
        assert LITERAL not in str(caught.value)
    named = {"env": "PROXY_LOGIN"}
    assert FetchPolicy.of({"hosts": "public", "proxy": {**way, "credential": named}}).proxy
    assert FetchPolicy.of({"hosts": "public", "credentials": {"api.example": named}})


def test_a_text_is_no_secret_in_code_either() -> None:
    """A `str` where a `Secret` belongs is said where it is written, not at the first request."""
    text: Any = LITERAL
    with pytest.raises(BoundaryError, match=r"Secret\.env"):
        EgressProxy("proxy.corp", 3128, "10.0.0.0/8", "x", credential=text)
    with pytest.raises(BoundaryError, match=r"Secret\.env"):
        Credential(text)
    with pytest.raises(BoundaryError, match=r"Secret\.env"):
        FetchPolicy(hosts=PUBLIC, credentials={"api.example": text})
    kept = Secret(LITERAL)
    EgressProxy("proxy.corp", 3128, "10.0.0.0/8", "x", credential=kept)
    FetchPolicy(hosts=PUBLIC, credentials={"api.example": Credential(kept)})


def test_every_argument_of_a_policy_is_read_from_a_table() -> None:
    """A new argument without a reader would be an unknown word in every file of settings."""
    arguments = {name for name, one in FetchPolicy.__dataclass_fields__.items() if one.init}
    assert set(READERS) == arguments


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
