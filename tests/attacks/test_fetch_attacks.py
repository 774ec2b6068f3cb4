"""FT-01 to FT-20, the URLs: what one says leads inside. Each refusal has its twin.

The oracle is what was touched: the canary on loopback, and every connection of the small internet.
"""

import http.client
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, Fetcher, FetchPolicy, Internal
from pratique.fetch.attacks import ATTACKS, Attack
from tests.fetch.clients import GOOD, OTHER, POLICY, REFUSALS, Get, every_client, refused
from tests.fetch.world import Server, World, quiet, reply

HOST = "allowed.test"
MARKER = b"OURS-ALONE-9f8a7b6c"
CANARY = 8099
NAMED = FetchPolicy(hosts={HOST}, schemes={"http"})
OPEN = FetchPolicy(hosts=PUBLIC, schemes={"http"}, ports={80, CANARY})
OWN = "http://127.0.0.1:{}/admin"


def of(*ids: str) -> list[Attack]:
    """Return the attacks with these ids."""
    return [attack for attack in ATTACKS if attack.id in ids]


def policy_of(attack: Attack) -> FetchPolicy:
    """Return the policy that an attack is sent under: the widest that it still may not pass."""
    return NAMED if attack.id in ("FT-10", "FT-11") else OPEN


def tried(get: Get, policy: FetchPolicy, url: str) -> str:
    """Fetch; return "" where it is refused, else what came."""
    try:
        return repr(get(policy, [url]))
    except REFUSALS:
        return ""


def in_the_open(port: int) -> FetchPolicy:
    """Return a policy that opens the canary's port, so that the port isn't what stops an attack."""
    return FetchPolicy(hosts=PUBLIC, schemes={"http"}, ports={80, port})


def with_a_way(port: int) -> FetchPolicy:
    """Return the same with a declared way to the canary."""
    way = Internal("127.0.0.1", "127.0.0.0/8", port, "our own endpoint")
    return FetchPolicy(hosts=PUBLIC, schemes={"http"}, ports={80, port}, internal=[way])


@pytest.fixture
def canary() -> Iterator[Server]:
    """Give an endpoint of our own on loopback, where nothing stands between: no stub, no script."""
    server = Server(trustme.CA())
    server.answer = lambda _: reply(200, MARKER)
    with quiet():
        yield server
    server.close()


@every_client
def test_no_spelling_of_loopback_reaches_the_canary(canary: Server, get: Get) -> None:
    """FT-01, FT-02: no address, name or form of loopback is connected to; declared, it is (CWE-918)."""
    for attack in of("FT-01", "FT-02"):
        url = attack.at(host=HOST, port=canary.port)
        assert (attack.title, tried(get, in_the_open(canary.port), url)) == (attack.title, "")
    assert canary.accepted == 0
    assert get(with_a_way(canary.port), [OWN.format(canary.port)]) == [(200, MARKER)]
    assert canary.accepted == 1


@every_client
def test_our_own_endpoint_is_not_reached_through_the_fetcher(canary: Server, get: Get) -> None:
    """FT-12: what answers loopback alone answers no URL of a user's; we ourselves reach it (CWE-441)."""
    own = OWN.format(canary.port)
    for policy in (
        in_the_open(canary.port),
        FetchPolicy(hosts={"127.0.0.1", "localhost"}, schemes={"http"}, ports={canary.port}),
    ):
        for url in (own, own.replace("127.0.0.1", "localhost")):
            assert tried(get, policy, url) == ""
    assert canary.accepted == 0
    bare = http.client.HTTPConnection("127.0.0.1", canary.port)
    bare.request("GET", "/admin")
    assert bare.getresponse().read() == MARKER
    bare.close()
    assert get(with_a_way(canary.port), [own]) == [(200, MARKER)]


@every_client
@pytest.mark.parametrize("id", sorted({attack.id for attack in ATTACKS}))
def test_every_url_of_the_room_touches_nothing(world: World, get: Get, id: str) -> None:
    """FT-01 to FT-04, FT-08 to FT-11: every name leads to a canary, and no attack connects to anything but its own host."""
    world.names[HOST] = [GOOD]
    world.everywhere = [OTHER]
    for attack in of(id):
        came = tried(get, policy_of(attack), attack.at(host=HOST, port=CANARY))
        # A client that mends a URL by itself may still ask the host that the policy names.
        outside = [where for where in world.touched if where != f"{GOOD}:80"]
        assert (attack.title, outside) == (attack.title, [])
        assert came == "" or world.touched, attack.title
        assert not [seen for seen in world.server.seen if "x-injected" in seen.fields]
    assert get(NAMED, [f"http://{HOST}/"]) == [(200, b"OK-FINAL")]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack.id} {attack.title}")
def test_every_url_of_the_room_is_refused_by_its_obligation(world: World, attack: Attack) -> None:
    """What the data says is what is answered, and the URL is in no text of it; its host itself is admitted."""
    world.names[HOST] = [GOOD]
    world.everywhere = [OTHER]
    with Fetcher(policy_of(attack)) as fetcher:
        with pytest.raises(Refused) as caught:
            fetcher.get(attack.at(host=HOST, port=CANARY))
        assert caught.value.obligation is attack.obligation
        assert "evil" not in f"{caught.value!r}{caught.value.problem()}"
        assert world.touched == []
        assert fetcher.get(f"http://{HOST}/").value.status == 200


@every_client
def test_no_metadata_endpoint_is_reached(world: World, get: Get) -> None:
    """FT-03: by address, by name, by a name that leads there; the same path of another host is."""
    world.names.update({"m.test": ["169.254.169.254"], "metadata.google.internal": [GOOD]})
    for url in (
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
        "http://metadata.google.internal/",
    ):
        assert refused(get, POLICY, url) == "metadata_endpoint"
    assert refused(get, POLICY, "http://m.test/") == "address_not_allowed"
    assert world.touched == []
    world.names["m.test"] = [GOOD]
    assert get(POLICY, ["http://m.test/latest/meta-data/"]) == [(200, b"OK-FINAL")]


@every_client
@pytest.mark.parametrize(
    "inside",
    ["10.0.0.7", "100.64.0.1", "169.254.7.7", "fd12::1", "fe80::1", "ff02::1", "64:ff9b::7f00:1"],
)
def test_no_name_leads_inside(world: World, get: Get, inside: str) -> None:
    """FT-04: what may not stand in a URL may not stand in DNS either; led outside, the name is fetched."""
    world.names["a.test"] = [inside]
    assert refused(get, POLICY, "http://a.test/") == "address_not_allowed"
    assert world.touched == []
    world.names["a.test"] = [GOOD]
    assert get(POLICY, ["http://a.test/"]) == [(200, b"OK-FINAL")]


@every_client
def test_a_file_of_ours_is_no_answer(world: World, get: Get, tmp_path: Any) -> None:
    """FT-08: no scheme but http and https, so that a marker in a file never comes back (CWE-918)."""
    marker = tmp_path / "marker"
    marker.write_bytes(MARKER)
    for url in (f"file://{marker}", f"file://localhost{marker}", f"FILE:{marker}", f"{marker}"):
        came = tried(get, POLICY, url)
        assert came == ""
        assert MARKER.decode() not in came
    assert world.touched == []
    world.names["a.test"] = [GOOD]
    world.server.answer = lambda _: reply(200, MARKER)
    assert get(POLICY, ["http://a.test/marker"]) == [(200, MARKER)]


@every_client
def test_what_stands_behind_the_fragments_mark_is_no_host(world: World, get: Get) -> None:
    """FT-09: the host is what stands before "#" and "?", for us and for every client (CWE-20)."""
    world.names[HOST] = [GOOD]
    for trick in ("#@127.0.0.1:8099/", "?@127.0.0.1:8099/", "/@127.0.0.1:8099/", "/#@evil.test"):
        assert get(OPEN, [f"http://{HOST}{trick}"]) == [(200, b"OK-FINAL")]
    assert set(world.touched) == {f"{GOOD}:80"}
    assert {seen.fields["host"] for seen in world.server.seen} == {HOST}
    assert tried(get, OPEN, f"http://127.0.0.1:8099#@{HOST}/") == ""
    assert set(world.touched) == {f"{GOOD}:80"}


@every_client
def test_nothing_but_the_declared_port_is_asked(world: World, get: Get) -> None:
    """FT-11: the host is allowed, its other services aren't; declared, the port is asked (CWE-918)."""
    world.names[HOST] = [GOOD]
    canary = Server(trustme.CA())
    world.ways[f"{GOOD}:{CANARY}"] = canary.port
    try:
        assert refused(get, NAMED, f"http://{HOST}:{CANARY}/") == "port_not_allowed"
        assert canary.accepted == 0
        both = FetchPolicy(hosts={HOST}, schemes={"http"}, ports={80, CANARY})
        assert get(both, [f"http://{HOST}:{CANARY}/"]) == [(200, b"OK-FINAL")]
        assert canary.accepted == 1
    finally:
        canary.close()


@every_client
def test_an_ipv6_host_behind_nat64_is_judged_by_what_is_inside(world: World, get: Get) -> None:
    """FT-04, FT-20: 64:ff9b::/96 of a public address is reached; of a private one refused."""
    world.names.update({"six.test": ["64:ff9b::5db8:d70e"], "bad.test": ["64:ff9b::a00:7"]})
    assert get(POLICY, ["http://six.test/"]) == [(200, b"OK-FINAL")]
    assert refused(get, POLICY, "http://bad.test/") == "address_not_allowed"


@every_client
def test_what_is_ours_in_the_open_internet_is_declared(world: World, get: Get) -> None:
    """FT-20: a private address in our own NAT64 prefix, and our own public prefix: refused once declared."""
    world.names.update(
        {
            "nat.test": ["2606:4700:aa::a00:7"],
            "out.test": ["2606:4700:aa::5db8:d70e"],
            "ours.test": ["198.41.0.4"],
        }
    )
    named: Any = {"hosts": PUBLIC, "schemes": {"http"}}
    declared = FetchPolicy(**named, nat64=["2606:4700:aa::/96"], off_limits=["198.41.0.0/24"])
    for url in ("http://nat.test/", "http://ours.test/", "http://198.41.0.4/"):
        assert refused(get, declared, url) == "address_not_allowed"
    assert world.touched == []
    assert get(declared, ["http://out.test/"]) == [(200, b"OK-FINAL")]
    silent = FetchPolicy(**named)
    assert get(silent, ["http://nat.test/", "http://ours.test/"]) == [(200, b"OK-FINAL")] * 2
