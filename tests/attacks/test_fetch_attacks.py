"""FT-01 to FT-20, the URLs: what it says leads inside. Each refusal has its twin."""

from tests.fetch.clients import GOOD, POLICY, Get, every_client, refused
from tests.fetch.world import World


@every_client
def test_no_metadata_endpoint_is_reached(world: World, get: Get) -> None:
    """FT-03: by address, by name, by a name that leads there."""
    world.names.update({"m.test": ["169.254.169.254"], "metadata.google.internal": [GOOD]})
    for url in (
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
    ):
        assert refused(get, POLICY, url) == "metadata_endpoint"
    assert refused(get, POLICY, "http://m.test/") == "address_not_allowed"
    assert world.touched == []


@every_client
def test_an_ipv6_host_behind_nat64_is_judged_by_what_is_inside(world: World, get: Get) -> None:
    """FT-04, FT-20: 64:ff9b::/96 of a public address is reached; of a private one refused."""
    world.names.update({"six.test": ["64:ff9b::5db8:d70e"], "bad.test": ["64:ff9b::a00:7"]})
    assert get(POLICY, ["http://six.test/"]) == [(200, b"OK-FINAL")]
    assert refused(get, POLICY, "http://bad.test/") == "address_not_allowed"
