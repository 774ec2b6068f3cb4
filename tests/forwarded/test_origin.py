"""Where a request comes from: the rules that the vectors don't spell out, each with its twin."""

from typing import Any

import pytest

from pratique.core.claim import Fields
from pratique.core.refusal import Refused
from pratique.forwarded import Origin, ProxyPolicy, origin_of

CLIENT = "93.184.216.34"
PROXY = "10.0.0.1"
GOOD: dict[str, Any] = {
    "trusted": ("10.0.0.0/8", "unix:"),
    "header": "x-forwarded-for",
    "proto": "x-forwarded-proto",
    "hosts": ("api.example.com", "api.example.com:8443"),
}
Lines = list[tuple[str, str]]


def ask(
    *lines: tuple[str, str],
    peer: str = PROXY,
    scheme: str = "http",
    target: str = "/",
    host: str = "api.example.com",
    host_field: str | None = None,
    **policy: Any,
) -> Origin:
    """Return the origin of a request that has these lines beside Host."""
    policy = GOOD | {"host": host_field} | policy
    fields = Fields([("Host", host), *lines])
    return origin_of(peer, fields, ProxyPolicy(**policy), scheme=scheme, target=target)


def code(*lines: tuple[str, str], **other: Any) -> str:
    """Return the code of a refusal; "" where it crosses."""
    try:
        ask(*lines, **other)
    except Refused as refused:
        return refused.code if refused.status == 400 else "another status"
    return ""


FOR, PROTO = ("X-Forwarded-For", CLIENT), ("X-Forwarded-Proto", "https")
FORWARDED: dict[str, Any] = {"header": "forwarded", "proto": None}


def test_believes_a_trusted_peer() -> None:
    """Client, scheme and host, each from its one field."""
    assert ask(FOR, PROTO) == Origin(CLIENT, "https", "api.example.com")


@pytest.mark.parametrize("peer", ["203.0.113.9", "::ffff:203.0.113.9", "203.0.113.9%eth0"])
def test_believes_nobody_else(peer: str) -> None:
    """CWE-290: the peer is the client, the scheme is the connection's."""
    assert ask(FOR, PROTO, peer=peer) == Origin("203.0.113.9", "http", "api.example.com")


@pytest.mark.parametrize("peer", ["", "testclient", "unix", "10.0.0.1:80", "010.0.0.1"])
def test_refuses_a_peer_without_an_address(peer: str) -> None:
    """Who that is can't be said, so that nothing is believed."""
    assert code(FOR, PROTO, peer=peer) == "unknown_peer"
    assert code(FOR, PROTO, peer="unix:") == ""
    assert code(FOR, PROTO, peer="unix:", trusted=("10.0.0.0/8",)) == "unknown_peer"


@pytest.mark.parametrize(
    ("entry", "client"),
    [
        (f"{CLIENT}:443", CLIENT),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"[::ffff:{CLIENT}]:9", CLIENT),
        (f" \t{CLIENT}\t ", CLIENT),
        (f"junk, {CLIENT}", CLIENT),
        (f"{CLIENT},,", CLIENT),
        ("127.0.0.1", "127.0.0.1"),
        ("240.1.2.3", "240.1.2.3"),
        ("::1.2.3.4", "::102:304"),
    ],
)
def test_reads_each_spelling_of_an_address(entry: str, client: str) -> None:
    """One client is one key, however its address was written."""
    assert ask(("X-Forwarded-For", entry), PROTO).client == client


@pytest.mark.parametrize(
    "entry",
    [
        "unknown",
        "_hidden",
        f"{CLIENT}:0",
        f"{CLIENT}:65536",
        f"{CLIENT}:+1",
        f"{CLIENT}: 1",
        f"{CLIENT}:",
        f"{CLIENT}/32",
        f"{CLIENT}.",
        f'"{CLIENT}"',
        f"[{CLIENT}]",
        "[2001:db8::1",
        "2001:db8::1]",
        "[2001:db8::1]:",
        "[2001:db8::1]8",
        "[]",
        "0.0.0.0",  # noqa: S104  what somebody sends
        "255.255.255.255",
        "224.0.0.1",
        "239.255.255.255",
        "ff02::1",
        "::",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
        "1.2.3",
        "1.2.3.04",
        "0x1.2.3.4",
        "١.2.3.4",
        f"{CLIENT} 10.0.0.9",
        f"{CLIENT};10.0.0.9",
        "fe80::1%eth0",
        "a" * 65,
        "unix:",
    ],
)
def test_refuses_what_is_no_address_where_our_proxy_wrote(entry: str) -> None:
    """Never skipped, never a fallback: to the left of it stands what an attacker wrote."""
    assert code(("X-Forwarded-For", f"198.51.100.7, {entry}"), PROTO) == "bad_forwarded"
    assert code(("X-Forwarded-For", f"198.51.100.7, {entry}, 10.0.0.9"), PROTO) == "bad_forwarded"
    # the twin: left of the client the same text isn't looked at
    assert ask(("X-Forwarded-For", f"{entry}, {CLIENT}"), PROTO).client == CLIENT


def test_refuses_where_nobody_vouches_for_a_client() -> None:
    """Every entry is ours: opened by internal_clients, and then each of them can name another."""
    ours = ("X-Forwarded-For", "10.0.0.9, 10.0.0.8")
    assert code(ours, PROTO) == "no_client"
    assert ask(ours, PROTO, internal_clients=True).client == "10.0.0.9"


def test_refuses_more_hops_than_there_are_proxies() -> None:
    """16 entries of ours pass, 17 don't."""

    def after(count: int) -> str:
        return ", ".join([CLIENT, *(f"10.0.0.{n}" for n in range(count))])

    assert ask(("X-Forwarded-For", after(16)), PROTO).client == CLIENT
    assert code(("X-Forwarded-For", after(17)), PROTO) == "too_many_hops"


def test_counts_the_hops_where_their_addresses_are_not_known() -> None:
    """The n-th from the right; a list that is too short came past a proxy."""
    chain = ("X-Forwarded-For", f"198.51.100.7, {CLIENT}, 192.0.2.1")
    assert ask(chain, PROTO, hops=2).client == CLIENT
    assert ask(("X-Forwarded-For", CLIENT), PROTO, hops=1).client == CLIENT
    assert code(("X-Forwarded-For", CLIENT), PROTO, hops=2) == "too_few_hops"
    assert code(PROTO, hops=2) == "no_forwarded"


@pytest.mark.parametrize("value", ["", " ", ",", ", ,"])
def test_refuses_a_trusted_peer_that_says_nothing(value: str) -> None:
    """CVE-2022-31813: a client that gets the field dropped is not the proxy."""
    assert code(("X-Forwarded-For", value), PROTO) == "no_forwarded"
    assert code(PROTO) == "no_forwarded"
    assert code(FOR, ("X-Forwarded-Proto", value)) != ""
    assert code(FOR) == "no_forwarded"
    assert code(FOR, PROTO, host="internal:8000", hosts=("internal:8000",)) == ""
    asked = ask(peer=PROXY, missing="peer")
    assert asked == Origin(PROXY, "http", "api.example.com")
    assert ask(FOR, PROTO, missing="peer").client == CLIENT


@pytest.mark.parametrize("name", ["X-Real-IP", "CF-Connecting-IP"])
def test_a_field_of_one_address_holds_one(name: str) -> None:
    """Two lines are the client's and the proxy's: which is whose can't be told."""
    header: dict[str, Any] = {"header": name}
    assert ask((name, f" {CLIENT} "), PROTO, **header).client == CLIENT
    assert code((name, CLIENT), (name, CLIENT), PROTO, **header) == "duplicate_field"
    assert code((name, f"{CLIENT}, {CLIENT}"), PROTO, **header) == "bad_forwarded"
    assert code((name, ""), PROTO, **header) == "no_forwarded"
    assert code(FOR, PROTO, **header) == "no_forwarded"


@pytest.mark.parametrize(
    ("value", "scheme"),
    [("https", "https"), ("HTTP", "http"), ("Https", "https"), ("http,https", "https")],
)
def test_reads_the_scheme(value: str, scheme: str) -> None:
    """One value, or a list whose last is our proxy's."""
    assert ask(FOR, ("X-Forwarded-Proto", value)).scheme == scheme


def test_a_list_of_schemes_is_aligned_with_the_hops() -> None:
    """Beside the client's entry stands the client's scheme; a list that doesn't align is refused."""
    two = ("X-Forwarded-For", f"{CLIENT}, 10.0.0.9")
    assert ask(two, ("X-Forwarded-Proto", "https, http")).scheme == "https"
    assert ask(two, ("X-Forwarded-Proto", "http, https, http")).scheme == "https"
    assert ask(two, ("X-Forwarded-Proto", "https")).scheme == "https"
    three = ("X-Forwarded-For", f"{CLIENT}, 10.0.0.9, 10.0.0.8")
    assert code(three, ("X-Forwarded-Proto", "https, http")) == "bad_forwarded"
    assert code(two, ("X-Forwarded-Proto", "https, gopher")) == "bad_forwarded"
    assert code(two, ("X-Forwarded-Proto", "https, ")) == "bad_forwarded"


@pytest.mark.parametrize("value", ["ws", "wss"])
def test_the_scheme_of_a_websocket_is_taken_of_one_alone(value: str) -> None:
    """Traefik writes ws and wss; of another request they are nonsense."""
    line = ("X-Forwarded-Proto", value)
    assert ask(FOR, line, scheme="ws").scheme == {"ws": "http", "wss": "https"}[value]
    assert code(FOR, line) == "bad_forwarded"


def test_a_websocket_of_an_outsider_has_the_scheme_of_its_connection() -> None:
    """Origin.scheme is http or https."""
    assert ask(peer="203.0.113.9", scheme="wss").scheme == "https"
    assert ask(peer="203.0.113.9", scheme="ws").scheme == "http"


@pytest.mark.parametrize(
    ("host", "spelt"),
    [
        ("API.example.com.", "api.example.com"),
        ("api.example.com:443", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("api.example.com.:8443", "api.example.com:8443"),
        ("api.example.com:", "api.example.com"),
    ],
)
def test_a_host_has_one_spelling(host: str, spelt: str) -> None:
    """The default port is that of the scheme that was proven."""
    assert ask(FOR, PROTO, host=host).host == spelt


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("api.example.com:80", "host_not_allowed"),
        ("api.example.com:9", "host_not_allowed"),
        ("evil.example", "host_not_allowed"),
        ("api.example.com.evil.example", "host_not_allowed"),
        ("", "bad_host"),
        ("api.example.com:0", "bad_host"),
        ("api.example.com:1e3", "bad_host"),
        ("api.example.com:80:80", "bad_host"),
        ("api..example.com", "bad_host"),
        ("api.example.com..", "bad_host"),
        ("-api.example.com", "bad_host"),
        ("user@api.example.com", "bad_host"),
        ("api.example.com#", "bad_host"),
        ("api example.com", "bad_host"),
        ("[api.example.com]", "bad_host"),
        ("[::1", "bad_host"),
        ("[::1]x", "bad_host"),
        ("127.1", "bad_host"),
        ("a" * 64 + ".example.com", "bad_host"),
        ("bücher.example", "bad_host"),
    ],
)
def test_refuses_a_host_that_is_not_ours(host: str, why: str) -> None:
    """CWE-644: a link that the application makes never leads elsewhere."""
    assert code(FOR, PROTO, host=host) == why


def test_a_wildcard_is_one_label() -> None:
    """As in a certificate: RFC 9525 §6.3."""
    wild: dict[str, Any] = {"hosts": ("*.example.com", "[2001:db8::1]:8000")}
    assert ask(FOR, PROTO, host="a.example.com", **wild).host == "a.example.com"
    assert ask(FOR, PROTO, host="[2001:DB8:0::1]:8000", **wild).host == "[2001:db8::1]:8000"
    for host in ("example.com", "a.b.example.com", "aexample.com"):
        assert code(FOR, PROTO, host=host, **wild) == "host_not_allowed"


def test_host_comes_once() -> None:
    """RFC 9112 §3.2: without it, or with two, the answer is 400."""
    policy = ProxyPolicy(**GOOD)
    for lines, why in (
        ([], "bad_host"),
        ([("Host", "api.example.com"), ("host", "api.example.com")], "duplicate_field"),
    ):
        with pytest.raises(Refused) as refused:
            origin_of(PROXY, Fields([*lines, FOR, PROTO]), policy)
        assert refused.value.code == why


def test_a_declared_host_field_replaces_host() -> None:
    """Host is then the proxy's name for us: one of the grammar, and not compared."""
    named: dict[str, Any] = {"host_field": "x-forwarded-host"}
    ours = ("X-Forwarded-Host", "api.example.com")
    assert ask(FOR, PROTO, ours, host="internal:8000", **named).host == "api.example.com"
    assert code(FOR, PROTO, ours, host="inter nal", **named) == "bad_host"
    assert code(FOR, PROTO, host="api.example.com", **named) == "no_forwarded"
    assert code(FOR, PROTO, ("X-Forwarded-Host", "evil.example"), **named) == "host_not_allowed"
    assert ask(host="api.example.com", missing="peer", **named).host == "api.example.com"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://api.example.com/x", ""),
        ("HTTP://API.example.com:80/x?y#z", ""),
        ("https://api.example.com?x", ""),
        ("*", ""),
        ("", ""),
        ("//evil.example/x", ""),
        ("http://evil.example/x", "target_mismatch"),
        ("http://api.example.com:81/x", "target_mismatch"),
        ("ftp://api.example.com/x", "target_mismatch"),
        ("evil.example:443", "target_mismatch"),
        ("http:/api.example.com", "target_mismatch"),
        ("http://u@api.example.com/", "bad_host"),
        ("http:///x", "bad_host"),
    ],
)
def test_an_absolute_form_names_the_same_host(target: str, why: str) -> None:
    """RFC 9112 §3.2.2: one program routes by the target, another by Host."""
    assert code(FOR, PROTO, target=target) == why


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (("X_Forwarded_For", CLIENT), "field_alias"),
        (("x-forwarded_port", "1"), "field_alias"),
        (("CF_Connecting_IP", CLIENT), "field_alias"),
        (("Content_Length", "5"), "field_alias"),
        (("Transfer_Encoding", "chunked"), "field_alias"),
        (("x_my_country", "CH"), "field_alias"),
        (("x_trace_id", "7"), ""),
        (("Connection", "close, X-Forwarded-For"), "hop_by_hop"),
        (("Connection", "x-forwarded-proto"), "hop_by_hop"),
        (("Connection", "Host"), "hop_by_hop"),
        (("Connection", "Authorization"), "hop_by_hop"),
        (("Connection", "x-my-country"), "hop_by_hop"),
        (("Connection", "keep-alive, Upgrade, TE"), ""),
        (("Content-Length", "-1"), "bad_framing"),
        (("Content-Length", "0x5"), "bad_framing"),
        (("Content-Length", "²"), "bad_framing"),
        (("Content-Length", "5,5"), "bad_framing"),
        (("Content-Length", "9" * 20), "bad_framing"),
        (("Content-Length", "5"), ""),
        (("Transfer-Encoding", "xchunked"), "bad_framing"),
        (("Transfer-Encoding", "gzip, chunked"), "bad_framing"),
        (("Transfer-Encoding", "chunked, identity"), "bad_framing"),
        (("Transfer-Encoding", "\x0bchunked"), "bad_framing"),
        (("Transfer-Encoding", "Chunked"), ""),
    ],
)
def test_refuses_a_sign_of_smuggling(line: tuple[str, str], why: str) -> None:
    """CWE-444: from the proxy and from anybody else."""
    edge: dict[str, Any] = {"edge_fields": ("x-my-country",)}
    assert code(FOR, PROTO, line, **edge) == why
    assert code(line, peer="203.0.113.9", **edge) == why


def test_refuses_two_lengths() -> None:
    """RFC 9112 §6.3: both, or two that differ; two that are the same are one."""
    five, six = ("Content-Length", "5"), ("Content-Length", "6")
    assert code(FOR, PROTO, five, ("Transfer-Encoding", "chunked")) == "bad_framing"
    assert code(FOR, PROTO, five, six) == "bad_framing"
    assert code(FOR, PROTO, five, five) == ""


def test_a_field_of_the_edge_comes_once() -> None:
    """The edge overwrites it: a second one is the client's own (CWE-807)."""
    edge: dict[str, Any] = {"edge_fields": ("cf-ipcountry",)}
    one = ("CF-IPCountry", "CH")
    assert code(FOR, PROTO, one, **edge) == ""
    assert code(FOR, PROTO, one, ("CF-IPCountry", "US"), **edge) == "duplicate_field"


@pytest.mark.parametrize(
    ("line", "origin"),
    [
        (f"for={CLIENT}", (CLIENT, "http")),
        (f"For={CLIENT};PROTO=https", (CLIENT, "https")),
        ('for="[2001:db8::1]:443";by=10.0.0.1', ("2001:db8::1", "http")),
        (f'for="{CLIENT}:_port"', (CLIENT, "http")),
        (f';for={CLIENT};;proto="https";', (CLIENT, "https")),
        (f",for={CLIENT},,", (CLIENT, "http")),
        (f"for=unknown, for=_x, by=nobody, for={CLIENT}", (CLIENT, "http")),
        (f'for="a, for=1.2.3.4";host="\\"", for={CLIENT} , for=10.0.0.9', (CLIENT, "http")),
    ],
)
def test_reads_the_grammar_of_forwarded(line: str, origin: tuple[str, str]) -> None:
    """RFC 7239 §4: what is left of the client must be of the grammar, and isn't weighed."""
    found = ask(("Forwarded", line), **FORWARDED)
    assert (found.client, found.scheme) == origin


@pytest.mark.parametrize(
    "line",
    [
        "for",
        "for=",
        "=x",
        "proto=https",
        "for=unknown",
        "for=_hidden",
        "for=[2001:db8::1]",
        'for="2001:db8::1"',
        f"for={CLIENT}:80",
        f"for={CLIENT};for={CLIENT}",
        f"for={CLIENT};FOR={CLIENT}",
        f"for={CLIENT};proto=ws",
        f"for={CLIENT} proto=https",
        f'for="{CLIENT}" x',
        f'for="{CLIENT}',
        f'for="{CLIENT}\\',
        f'for="{CLIENT}\x7f"',
        f"for={CLIENT};x=é",
        f"x y, for={CLIENT}",
        f'for="{CLIENT}"proto=https',
        f"for={CLIENT};x={'a' * 8192}",
    ],
)
def test_refuses_what_is_not_of_the_grammar(line: str) -> None:
    """A syntax error anywhere in a line that is read: where its elements begin can't be told."""
    assert code(("Forwarded", line), **FORWARDED) == "bad_forwarded"


def test_a_line_left_of_the_client_is_not_read() -> None:
    """The client's own line may be anything; it stands before the proxy's."""
    lines = (("Forwarded", 'for="'), ("Forwarded", f"for={CLIENT}"))
    assert ask(*lines, **FORWARDED).client == CLIENT
    assert code(*reversed(lines), **FORWARDED) == "bad_forwarded"


def test_forwarded_may_say_the_host_and_count_its_hops() -> None:
    """host= of the client's element; proto by another field where that is declared."""
    line = ("Forwarded", f'for={CLIENT};host="API.example.com";proto=http, for=192.0.2.1')
    found = ask(line, PROTO, **FORWARDED | {"host_field": "forwarded", "hops": 2}, host="internal")
    assert found == Origin(CLIENT, "http", "api.example.com")
    found = ask(line, PROTO, **FORWARDED | {"proto": "x-forwarded-proto", "hops": 2})
    assert found.scheme == "https"
    bare = ("Forwarded", f"for={CLIENT}")
    assert code(bare, **FORWARDED | {"host_field": "forwarded"}) == "no_forwarded"


@pytest.mark.parametrize("target", ["1" * 100_000, "a" * 100_000])
def test_a_long_field_costs_its_last_entries(target: str) -> None:
    """CWE-1333, CWE-400: quadratic reading of these would take minutes."""
    blanks = " " * 100_000
    assert code(("X-Forwarded-For", target), PROTO) == "bad_forwarded"
    assert ask(("X-Forwarded-For", f"{target}, {CLIENT}"), PROTO).client == CLIENT
    assert ask(("X-Forwarded-For", f"{'1.1.1.1, ' * 10_000}{CLIENT}"), PROTO).client == CLIENT
    assert code(("Forwarded", f"for=x;{blanks[:8000]}!"), **FORWARDED) == "bad_forwarded"
    assert code(("Forwarded", f"{'!' * 8000}"), **FORWARDED) == "bad_forwarded"
