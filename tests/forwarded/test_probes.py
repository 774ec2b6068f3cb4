"""What the check sends, and what counts as believed."""

import pytest

from pratique.forwarded import Origin, ProxyPolicy
from pratique.forwarded.mends import MENDS, mends_of
from pratique.forwarded.probes import (
    EVIL,
    HONEST,
    SPOOFED,
    Answered,
    Part,
    Probe,
    is_believed,
    probes_of,
)

HOST = "api.example.com"
OWN = Origin("203.0.113.9", "http", HOST)
UNKNOWN = Origin("", "http", HOST)
SEEN, REFUSED = Answered(200, OWN), Answered(400, None, "no_forwarded")


def policy(header: str = "x-forwarded-for") -> ProxyPolicy:
    """Return a policy that believes one field."""
    return ProxyPolicy(trusted=("10.0.0.0/8",), header=header, hosts=(HOST,))


def test_the_honest_request_is_the_first_of_twelve() -> None:
    """One honest one, and spoofs of each part."""
    probes = probes_of(policy(), scheme="http", host=HOST)
    assert (probes[0], len(probes)) == (HONEST, 12)
    parts = {"client", "scheme", "host", "underscore", "target", "framing"}
    assert {each.part for each in probes} == parts


def test_the_field_that_the_policy_believes_is_spoofed_too() -> None:
    """CF-Connecting-IP, where it is declared."""
    probes = probes_of(policy("cf-connecting-ip"), scheme="http", host=HOST)
    assert Probe(
        "PX-03", f"cf-connecting-ip: {SPOOFED}", "client", (("cf-connecting-ip", SPOOFED),)
    ) in (probes)


@pytest.mark.parametrize(("scheme", "claimed"), [("http", "https"), ("https", "http")])
def test_the_other_scheme_is_claimed(scheme: str, claimed: str) -> None:
    """By https a spoof says http, and the other way round."""
    probes = probes_of(policy(), scheme=scheme, host=HOST)
    fields = [field for each in probes for field in each.fields]
    assert ("X-Forwarded-Proto", claimed) in fields


@pytest.mark.parametrize(
    ("part", "answered", "honest", "believed"),
    [
        ("client", SEEN, SEEN, False),
        ("client", Answered(200, Origin(SPOOFED, "http", HOST)), SEEN, True),
        ("client", Answered(200, Origin("203.0.113.10", "http", HOST)), SEEN, True),
        ("host", Answered(200, Origin(OWN.client, "http", EVIL)), SEEN, True),
        ("host", Answered(400, None, "host_not_allowed"), SEEN, False),
        ("client", Answered(200, Origin(SPOOFED, "http", HOST)), REFUSED, True),
        ("scheme", Answered(200, Origin(OWN.client, "https", HOST)), REFUSED, True),
        ("scheme", SEEN, REFUSED, False),
        ("client", REFUSED, REFUSED, False),
        ("target", Answered(404), SEEN, True),
        ("target", Answered(400, None, "hop_by_hop"), SEEN, False),
        ("target", SEEN, SEEN, False),
        ("target", REFUSED, REFUSED, False),
    ],
)
def test_a_spoof_is_believed_where_it_makes_a_difference(
    part: Part, answered: Answered, honest: Answered, believed: bool
) -> None:
    """Against the honest answer; where that is refused, against what should be proven."""
    assert is_believed(Probe("", "", part), answered, honest, UNKNOWN) is believed


def test_each_part_has_a_mend() -> None:
    """The preset's own line, else in words; of a proxy that isn't known as well."""
    for preset in ("", "squid", *MENDS):
        for part in ("client", "scheme", "host", "underscore", "target", "framing"):
            assert all(mends_of(preset, part))
