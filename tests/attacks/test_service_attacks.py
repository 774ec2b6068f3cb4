"""SV-01 to SV-22: a service that asks for users, attacked by HTTP on each framework; what is told and what is written is the oracle.

What a token alone decides (SV-04 to SV-14, SV-24) stands in `test_token_attacks.py`; here it comes to a route.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from pratique.service import Issuer
from tests.service.backend import MARKER, Backend
from tests.service.orders import GATEWAY, NOON, REPORTS, STAFF, TOKENS
from tests.service.test_minters import signed
from tests.serving import served

DOORS = ["fastapi sync", "fastapi async", "flask sync", "django sync"]


@pytest.fixture(params=DOORS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """Give the service by each door, by both kinds of session."""
    door, session = request.param.split()
    made = Backend(tmp_path, is_async=session == "async", door=door)
    yield made
    made.engine.dispose()


@pytest.fixture
def http(backend: Backend) -> Iterator[httpx.Client]:
    """Give what calls it."""
    with served(backend.app) as client:
        client.follow_redirects = False
        yield client


def token(issuer: Issuer = TOKENS, **changes: Any) -> str:
    """Return an honest token for reading and noting order 10, with something else in it."""
    told = {"scope": "order.read order.note", **changes}
    return signed(issuer, told.pop("head", None), **told)


ROUTES: tuple[tuple[str, str, Any], ...] = (
    ("GET", "/orders/10", {}),
    ("PUT", "/orders/10/note", {"json": {"note": "theirs"}}),
    ("DELETE", "/orders", {}),
)


def refused(backend: Backend, http: httpx.Client, *, fields: Any = (), **more: Any) -> set[int]:
    """Try every route; require that nothing was told or written; return the statuses."""
    before, statuses = backend.whole(), set[int]()
    for method, path, content in ROUTES:
        answer = http.request(method, path, headers=list(dict(fields).items()), **content, **more)
        statuses.add(answer.status_code)
        assert MARKER not in answer.text + repr(answer.headers)
    assert backend.whole() == before
    return statuses


def honest(backend: Backend, http: httpx.Client) -> bool:
    """Say whether the honest call beside it is answered."""
    fields = {"txn-token": token()}
    answer = http.get("/orders/10", headers=fields)
    written = http.put("/orders/10/note", headers=fields, json={"note": MARKER})
    staff = signed(STAFF, sub="staff:9", scope="orders.purge", tctx={})
    purged = http.delete("/orders", headers={"txn-token": staff})
    return [answer.status_code, written.status_code, purged.status_code] == [200] * 3 and (
        MARKER in answer.text
    )


def test_without_a_token_nobody_is_named(backend: Backend, http: httpx.Client) -> None:
    """SV-01: a proven caller that says for nobody, an empty word, or another scheme: 401 on each route."""
    for said in ((), {"txn-token": ""}, {"txn-token": " "}, {"authorization": f"Bearer {token()}"}):
        assert refused(backend, http, fields=said) == {401}
    backend.peer[0] = "nobody"
    assert refused(backend, http, fields={"txn-token": token()}) == {401}
    backend.peer[0] = GATEWAY
    assert honest(backend, http)


@pytest.mark.parametrize("name", ["X-User-Role", "x-user-role", "X_User_Role", "X-Role", "Role", "X-Roles", "X-Is-Admin", "X.User.Role"])  # fmt: skip
def test_a_role_is_not_said_by_a_field(backend: Backend, http: httpx.Client, name: str) -> None:
    """SV-02, SV-03, SV-20: without a token and with a customer's: refused, and the role that we keep stays what it is."""
    customer = {"txn-token": token(scope="orders.purge order.read", tctx={})}
    assert refused(backend, http, fields={name: "admin"}) == {401}
    assert refused(backend, http, fields={**customer, name: "admin"}) <= {401, 403}
    # Without the field too: the customer is no admin by our own state.
    assert http.delete("/orders", headers=customer).status_code == 403
    assert honest(backend, http)


@pytest.mark.parametrize("name", ["X-User-Id", "X-Forwarded-User", "Remote-User", "X-Tenant-Id", "X_Authenticated_UserId"])  # fmt: skip
def test_another_user_is_not_named_by_a_field(
    backend: Backend, http: httpx.Client, name: str
) -> None:
    """SV-18: customer 2's own token and customer 1's name: nothing of either is told or written."""
    own = token(sub="customer:2", tctx={"object": "20"})
    assert refused(backend, http, fields={"txn-token": own, name: "customer:1"}) == {401}
    assert http.get("/orders/20", headers={"txn-token": own}).json() == {"id": 20, "note": ""}
    # The minter vouches that it is about order 10; our own state says whose that is.
    about_10 = {"txn-token": token(sub="customer:2")}
    before = backend.whole()
    assert http.get("/orders/10", headers=about_10).status_code == 404
    assert http.put("/orders/10/note", headers=about_10, json={"note": "x"}).status_code == 404
    assert backend.whole() == before
    assert honest(backend, http)


@pytest.mark.parametrize(
    "changes",
    [
        {"head": {"alg": "none"}},
        {"head": {"alg": "HS256"}},
        {"head": {"jku": "https://evil.example/jwks"}},
        {"head": {"jwk": STAFF.jwks()["keys"][0]}},
        {"head": {"kid": "../../dev/null"}},
        {"head": {"kid": "s1"}},
        {"head": {"kid": "k1' OR '1'='1"}},
        {"head": {"typ": "JWT"}},
        {"head": {"typ": "at+jwt"}},
        {"head": {"typ": "rt+jwt"}},
        {"iss": STAFF.name},
        {"iss": "https://evil.example"},
        {"aud": "bank.example"},
        {"aud": []},
        {"exp": int(NOON.timestamp())},
        {"exp": "9999999999"},
        {"exp": 1e30},
        {"exp": None},
        {"iat": int(NOON.timestamp()) + 60},
        {"iat": int((NOON - timedelta(minutes=6)).timestamp())},
        {"nbf": int(NOON.timestamp()) + 60},
    ],
    ids=repr,
)
def test_a_token_that_is_not_whole_opens_no_route(
    backend: Backend, http: httpx.Client, changes: dict[str, Any]
) -> None:
    """SV-04 to SV-08, SV-10 to SV-14: other algorithm, key, type, issuer, audience or time: 401, never a 5xx."""
    assert refused(backend, http, fields={"txn-token": token(**changes)}) == {401}
    assert honest(backend, http)


def test_our_public_key_is_no_secret(backend: Backend, http: httpx.Client) -> None:
    """SV-05, SV-06: signed by somebody else under our key's name; the public key as HMAC secret is in SV-06's own test."""
    impostor = Issuer(
        TOKENS.name, trust_domain="shop.example", seed=bytes(range(7, 39)), key_name="k1"
    )
    assert refused(backend, http, fields={"txn-token": token(impostor)}) == {401}
    assert honest(backend, http)


@pytest.mark.parametrize("place", ["params", "cookies", "data"])
def test_a_token_in_another_place_is_none(backend: Backend, http: httpx.Client, place: str) -> None:
    """SV-16: in the query, a cookie or a form (CWE-598): it isn't looked for there."""
    for name in ("Txn-Token", "txn_token", "token", "access_token"):
        before = backend.whole()
        if place == "cookies":
            answer = http.get("/orders/10", headers={"cookie": f"{name}={token()}"})
        else:
            method = "GET" if place == "params" else "PUT"
            path = "/orders/10" if place == "params" else "/orders/10/note"
            answer = http.request(method, path, **{place: {name: token()}})  # type: ignore[arg-type]
        assert (answer.status_code, MARKER in answer.text) == (401, False)
        assert backend.whole() == before
    assert honest(backend, http)


def test_two_identities_are_none(backend: Backend, http: httpx.Client) -> None:
    """SV-17: two lines of one field, or two tokens in one: two programs would take each another one (CWE-436)."""
    mine, other = token(), token(sub="customer:2")
    for lines in (
        [("txn-token", mine), ("Txn-Token", other)],
        [("txn-token", mine), ("txn-token", mine)],
        [("txn-token", f"{mine}, {other}")],
        [("txn-token", f"{mine} {mine}")],
    ):
        before = backend.whole()
        answer = http.get("/orders/10", headers=lines)
        assert answer.status_code in (400, 401)
        assert MARKER not in answer.text
        assert backend.whole() == before
    assert honest(backend, http)


@pytest.mark.parametrize("subject", ["customer:77", "customer:", "customer:1 ", "customer:1/../2", "customer:1\u200b"])  # fmt: skip
def test_a_user_that_is_none_of_ours_is_refused(
    backend: Backend, http: httpx.Client, subject: str
) -> None:
    """SV-19: unknown, misspelled, or suspended a moment ago, by a token that is honest in all else."""
    told = refused(backend, http, fields={"txn-token": token(sub=subject)})
    assert told <= {401, 403}
    backend.change("customer:1", is_suspended=True)
    assert refused(backend, http, fields={"txn-token": token()}) == {403}
    backend.change("customer:1", is_suspended=False)
    assert honest(backend, http)


@pytest.mark.parametrize("name", ["X-SSL-Client-Verify", "X-SSL-Client-S-DN", "X-Forwarded-Client-Cert", "Client-Cert", "X_SSL_Client_Cert"])  # fmt: skip
def test_a_certificate_is_not_said_by_a_field(
    backend: Backend, http: httpx.Client, name: str
) -> None:
    """SV-22, SV-27: without a connection that is proven a field proves none."""
    backend.peer[0] = "10.0.0.7"
    fields = {"txn-token": token(), name: f"By={GATEWAY};URI={GATEWAY}"}
    assert refused(backend, http, fields=fields) == {401}
    backend.peer[0] = GATEWAY
    assert honest(backend, http)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"req_wl": REPORTS}, 403),
        ({"scope": "order.reads"}, 403),
        ({"tctx": {"object": "20"}}, 403),
        ({"sub": "staff:9"}, 403),
    ],
)
def test_a_token_is_for_one_call(
    backend: Backend, http: httpx.Client, changes: dict[str, Any], status: int
) -> None:
    """SV-13, SV-26: minted for another caller, action, object, or for a user whom this minter may not name."""
    assert refused(backend, http, fields={"txn-token": token(**changes)}) == {status}
    assert honest(backend, http)


def test_another_caller_may_what_it_is_granted(backend: Backend, http: httpx.Client) -> None:
    """SV-13: the reports service reads for a user that its token names, and writes for nobody."""
    backend.peer[0] = REPORTS
    fields = {"txn-token": token(req_wl=REPORTS)}
    before = backend.whole()
    assert http.put("/orders/10/note", headers=fields, json={"note": "x"}).status_code == 403
    assert backend.whole() == before
    assert http.get("/orders/10", headers=fields).json()["note"] == MARKER


def test_no_token_stands_in_an_answer_or_a_record(backend: Backend, http: httpx.Client) -> None:
    """Law 5: neither it nor its subject, whatever came of the call."""
    for said in (token(), token(sub="customer:77"), token(aud="bank.example"), token()[:-9]):
        answer = http.get("/orders/10", headers={"txn-token": said})
        told = answer.text + repr(answer.headers) + repr(backend.kept.records)
        assert [part for part in (*said.split("."), "customer:") if part in told] == []
    assert honest(backend, http)
