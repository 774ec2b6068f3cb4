"""A proxy policy from TOML and from variables: the words of the code, and no others."""

from pathlib import Path

import pytest

from pratique.core.refusal import BoundaryError
from pratique.forwarded import ProxyPolicy, load_proxy_policy, proxy_policy_from_environment

TOML = """
[forwarded]
trusted = ["10.0.0.0/8"]
header = "x-forwarded-for"
hops = 2
proto = "x-forwarded-proto"
hosts = ["api.example.com"]
"""
VARIABLES = {
    "EDGE_TRUSTED": "10.0.0.0/8",
    "EDGE_HEADER": "x-forwarded-for",
    "EDGE_HOPS": "2",
    "EDGE_PROTO": "x-forwarded-proto",
    "EDGE_HOSTS": "api.example.com",
}
POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8",),
    header="x-forwarded-for",
    hops=2,
    proto="x-forwarded-proto",
    hosts=("api.example.com",),
)


def loaded(tmp_path: Path, text: str) -> ProxyPolicy:
    """Return the policy of a file."""
    path = tmp_path / "pratique.toml"
    path.write_text(text, encoding="utf-8")
    return load_proxy_policy(path)


def test_file_variables_and_code_say_the_same(tmp_path: Path) -> None:
    """One policy, three places."""
    assert loaded(tmp_path, TOML) == POLICY
    assert proxy_policy_from_environment("EDGE_", VARIABLES) == POLICY
    more = {**VARIABLES, "EDGE_INTERNAL_CLIENTS": "true"}
    assert proxy_policy_from_environment("EDGE_", more).internal_clients


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trusted", "trustd", "There is: trusted"),
        ('["10.0.0.0/8"]', '"10.0.0.0/8"', "give a list"),
        ('["10.0.0.0/8"]', "[]", "trusts no peer"),
        ('["10.0.0.0/8"]', "[10]", "give a list"),
        ('"x-forwarded-for"', "1", "give a text"),
        ("hops = 2", 'hops = "2"', "a number"),
        ("[forwarded]", "[forward]", "no table"),
    ],
)
def test_a_table_that_is_no_policy_is_said(tmp_path: Path, old: str, new: str, said: str) -> None:
    """A typo, another type, an empty list."""
    with pytest.raises(BoundaryError, match=said):
        loaded(tmp_path, TOML.replace(old, new))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"EDGE_TRUSTD": "10.0.0.0/8"}, "There is: trusted"),
        ({"EDGE_HOPS": "two"}, "not a number"),
        ({"EDGE_INTERNAL_CLIENTS": "yes"}, "not true or false"),
        ({"EDGE_HOSTS": " "}, "set and empty"),
    ],
)
def test_variables_that_are_no_policy_are_said(variables: dict[str, str], said: str) -> None:
    """None of the prefix is none, too."""
    with pytest.raises(BoundaryError, match=said):
        proxy_policy_from_environment("EDGE_", {**VARIABLES, **variables})
    with pytest.raises(BoundaryError, match="no variable"):
        proxy_policy_from_environment("EDGE_", {})
