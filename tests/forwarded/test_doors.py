"""Every request of the vectors through both doors: what reaches the application is what is proven."""

from typing import Any

import pytest

from pratique.forwarded import ProxyPolicy
from tests.forwarded.cases import CASES, policy_of
from tests.forwarded.doors import over_asgi, over_wsgi, starlette_app, wsgi_app

ASKED = [case for case in CASES if case.get("where") != "startup"]
DROPPED = "gunicorn drops a field with an underscore, so that nothing of it is seen"
SEEN = {"client": "93.184.216.34", "scheme": "https", "host": "api.example.com"}
WSGI_OTHERWISE = {
    "smuggle-001": (SEEN, DROPPED),
    "smuggle-002": (SEEN, DROPPED),
    "smuggle-004": (SEEN, DROPPED),
    "smuggle-005": (SEEN, DROPPED),
    "smuggle-007": (SEEN, DROPPED),
}
"""What WSGI can't express: the verdict there, and why."""


def wrong(case: dict[str, Any], told: tuple[int, dict[str, Any]], expect: Any) -> Any:
    """Return what differs from the label; None where nothing does."""
    status, body = told
    if expect == "refuse":
        return None if (status, body.get("status")) == (400, 400) else told
    found = {name: body[name] for name in ("client", "scheme", "host")} if status == 200 else told
    if found != expect or body["origin"] != expect["client"]:
        return found
    reached = {name for name, _ in body["fields"]}
    return sorted(reached & set(case.get("strip", ()))) or None


@pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")
def test_every_request_reaches_an_asgi_application_as_labelled() -> None:
    """Client, scheme and Host are the proven ones, and what is to be stripped is gone."""
    found = [
        (case["id"], difference)
        for case in ASKED
        if (
            difference := wrong(
                case,
                over_asgi(
                    starlette_app(policy_of(case)),
                    case["peer"],
                    case["headers"],
                    case.get("target", "/"),
                    path="/",
                ),
                case["expect"],
            )
        )
    ]
    print(f"{len(ASKED)} requests over ASGI, {len(found)} wrong")
    assert found == []


@pytest.mark.skipif(not CASES, reason="no vectors: set PRATIQUE_VECTORS")
def test_every_request_reaches_a_wsgi_application_as_labelled() -> None:
    """The same, save where an environ can't tell what came."""
    found: list[Any] = []
    for case in ASKED:
        expect, _ = WSGI_OTHERWISE.get(case["id"], (case["expect"], ""))
        told = over_wsgi(
            wsgi_app(policy_of(case)), case["peer"], case["headers"], case.get("target", "/")
        )
        difference = wrong(case, told, expect)
        if difference:
            found.append((case["id"], difference))
    print(f"{len(ASKED)} requests over WSGI, {len(WSGI_OTHERWISE)} otherwise, {len(found)} wrong")
    assert found == []


POLICY = ProxyPolicy(
    trusted=("10.0.0.0/8",),
    header="x-forwarded-for",
    proto="x-forwarded-proto",
    hosts=("api.example.com", "api.example.com:8443"),
    edge_fields=("cf-ipcountry",),
)
HOST = ("Host", "api.example.com")
FROM = (HOST, ("X-Forwarded-For", "127.0.0.1, 93.184.216.34"), ("X-Forwarded-Proto", "https"))
DOORS = pytest.mark.parametrize(
    ("call", "make"), [(over_asgi, starlette_app), (over_wsgi, wsgi_app)], ids=["asgi", "wsgi"]
)


@DOORS
def test_what_stands_left_of_the_client_does_not_reach_the_application(
    call: Any, make: Any
) -> None:
    """Who takes the leftmost entry takes the proven one: there is no other."""
    _, told = call(make(POLICY), "10.0.0.1", FROM)
    assert ["x-forwarded-for", "93.184.216.34"] in told["fields"]
    assert "127.0.0.1" not in str(told["fields"])


@DOORS
def test_an_outsiders_fields_do_not_reach_the_application(call: Any, make: Any) -> None:
    """The declared ones neither: from an outsider they are a lie (CWE-290)."""
    lines = (*FROM, ("CF-IPCountry", "CH"), ("X-Trace", "7"))
    status, told = call(make(POLICY), "203.0.113.9", lines)
    assert (status, told["client"], told["scheme"]) == (200, "203.0.113.9", "http")
    assert told["fields"] == [["host", "api.example.com"], ["x-trace", "7"]]


@DOORS
def test_a_field_of_the_edge_reaches_the_application_from_a_proxy(call: Any, make: Any) -> None:
    """The twin."""
    _, told = call(make(POLICY), "10.0.0.1", (*FROM, ("CF-IPCountry", "CH")))
    assert ["cf-ipcountry", "CH"] in told["fields"]


@DOORS
def test_forwarded_is_told_anew(call: Any, make: Any) -> None:
    """One element, of what is proven."""
    policy = ProxyPolicy(trusted=("10.0.0.0/8",), header="forwarded", hosts=("api.example.com",))
    line = 'for=unknown;host="evil.test", for="[2001:db8::1]:9";proto=https'
    _, told = call(make(policy), "10.0.0.1", (HOST, ("Forwarded", line)))
    told_anew = 'for="[2001:db8::1]";proto=https;host="api.example.com"'
    assert ["forwarded", told_anew] in told["fields"]


@DOORS
def test_a_port_that_is_named_stays(call: Any, make: Any) -> None:
    """And the default one goes."""
    lines = (("Host", "API.example.com.:8443"), *FROM[1:])
    status, told = call(make(POLICY), "10.0.0.1", lines)
    assert (status, told["host"]) == (200, "api.example.com:8443")
    lines = (("Host", "api.example.com:443"), *FROM[1:])
    assert call(make(POLICY), "10.0.0.1", lines)[1]["host"] == "api.example.com"


@DOORS
def test_a_refusal_is_a_problem(call: Any, make: Any) -> None:
    """400 with problem details that hold nothing of what came."""
    status, told = call(make(POLICY), "10.0.0.1", (("Host", "evil.test"), *FROM[1:]))
    assert (status, told["code"]) == (400, "host_not_allowed")
    assert "evil" not in str(told)


def test_wsgi_tells_server_name_and_port() -> None:
    """url_for of frameworks is made from these."""
    _, told = over_wsgi(wsgi_app(POLICY), "10.0.0.1", FROM)
    assert told["server"] == ["api.example.com", "443"]
    lines = (("Host", "api.example.com:8443"), *FROM[1:])
    _, told = over_wsgi(wsgi_app(POLICY), "10.0.0.1", lines)
    assert told["server"] == ["api.example.com", "8443"]
