"""The twelve confused-deputy cases between real processes: a gateway, an orders service by mTLS, the guide's own.

Beside each stands the same case at the guide's "safer" service, whose shortfall shows that the case is real.
"""

import contextlib
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from pratique.events import JsonLines
from tests.integrations.test_mtls import by_process, free_port
from tests.service.authority import Authority
from tests.service.served import GATEWAY, ORDERS, REPORTS, SERVICE_SECRET, State, minted

pytestmark = pytest.mark.timeout(120)
LIST, READ, REFUND = (
    ("GET", "/api/admin/orders"),
    ("GET", "/api/admin/orders/{}"),
    ("POST", "/api/admin/orders/{}/refund"),
)
USER = "X-Authenticated-User-Id"


class Shop:
    """Three processes, and what is in the state of two of them."""

    def __init__(self, folder: Path, gateway: str, ours: str, sample: str) -> None:
        self.folder, self.gateway = folder, gateway
        self.urls = {"ours": ours, "sample": sample}
        self.states = {name: State(f"{folder}/{name}.db") for name in self.urls}

    def change(self, user: str, **values: Any) -> None:
        """Change a user in both."""
        for state in self.states.values():
            state.change(user, **values)

    def call(self, to: str, what: tuple[str, str], order: int = 10, **told: Any) -> list[Any]:
        """Let the gateway call; status, header fields and content of each answer."""
        method, path = what
        wish = {
            "who": "gateway",
            "method": method,
            "url": self.urls[to] + path.format(order),
            "fields": [],
            "tokens": [],
            "times": 1,
            **told,
        }
        answer = httpx.post(f"{self.gateway}/deputy", json=wish, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        found: list[Any] = answer.json()
        return found

    def code(self, answer: Any) -> str:
        """Return the code with which ours refused an answer."""
        record = JsonLines(f"{self.folder}/ours.db.events.jsonl").find(answer[1]["crossing-id"])
        assert record is not None
        return record.code


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Issue certificates, write both states, start the three."""
    folder, authority = tmp_path_factory.mktemp("shop"), Authority()
    authority.ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    settings: dict[str, str] = {"ca": str(folder / "ca.pem")}
    for name, uri in {"gateway": GATEWAY, "reports": REPORTS, "orders": ORDERS}.items():
        leaf = authority.issue(uri, hosts=["localhost"])
        settings[name] = authority.write(folder / f"{name}.pem", leaf)
    ports = {name: free_port() for name in ("gateway", "ours", "sample")}
    urls = {name: f"http://localhost:{port}" for name, port in ports.items()}
    urls["ours"] = f"https://localhost:{ports['ours']}"
    for name in ("ours", "sample"):
        settings[f"{name}_db"] = f"{folder}/{name}.db"
        State(settings[f"{name}_db"]).make()
    settings["ours"] = urls["ours"]
    told = folder / "settings.json"
    told.write_text(json.dumps(settings), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        for name, port in ports.items():
            command = ["tests.service.served", name, str(told), str(port)]
            log = folder / f"{name}.log"
            started = stack.enter_context(by_process(command, port, log))
            assert started, log.read_text(encoding="utf-8")
        yield Shop(folder, **urls)


def token(**changes: Any) -> dict[str, Any]:
    """Return an honest token for reading order 10, with something else in it."""
    return {
        "subject": "staff:9",
        "scope": ["order.read"],
        "caller": GATEWAY,
        "about": {"object": "10"},
        **changes,
    }


def service(user: str | None = "staff:9", **changes: Any) -> list[tuple[str, str]]:
    """Return the fields that the guide's service reads, of an honest call."""
    claims = {
        "service": "api-gateway",
        "aud": "orders",
        "exp": datetime.now(UTC)
        + timedelta(days=1),  # the cases are made when the suite is collected
        **changes,
    }
    signed = jwt.encode(claims, SERVICE_SECRET, algorithm="HS256")
    return [("Authorization", signed), *([] if user is None else [(USER, user)])]


LISTING = token(scope=["orders.list"], about={})
REFUNDING = token(scope=["order.refund"], about={"object": "12"})


@dataclass(frozen=True)
class Case:
    """One way to make a deputy of a service.

    Args:
        title: What is done.
        code: With which ours refuses it.
        what: The request.
        ours: What differs in the call to ours.
        sample: What differs in the call to the guide's service.
        order: Which order.
        state: What is changed of the user before.
    """

    title: str
    code: str
    what: tuple[str, str]
    ours: dict[str, Any]
    sample: dict[str, Any]
    order: int = 10
    state: dict[str, Any] = field(default_factory=dict[str, Any])


CASES = {
    1: Case(
        "a caller that is known names another user",
        "unsigned_identity",
        LIST,
        {"tokens": [{**LISTING, "subject": "customer:1"}], "fields": [(USER, "staff:9")]},
        {"fields": service("staff:9")},  # the one who asks is customer:1
    ),
    2: Case(
        "a caller that may not act for users does",
        "caller_may_not",
        LIST,
        {"who": "reports", "tokens": [{**LISTING, "caller": REPORTS}]},
        {"who": "reports", "fields": service(service="reports")},
    ),
    3: Case(
        "a token for another audience",
        "wrong_audience",
        READ,
        {"tokens": [token(trust_domain="bank.example")]},
        {"fields": service(aud="stock")},
    ),
    4: Case(
        "the token of another caller",
        "token_of_another_caller",
        READ,
        {"who": "reports", "tokens": [token()]},
        {"who": "reports", "fields": service()},
    ),
    5: Case(
        "a token for reading pays money back",
        "token_for_another_action",
        REFUND,
        {"tokens": [token(about={"object": "11"})]},
        {"fields": service()},
        order=11,
    ),
    6: Case(
        "a token about order 10 reads order 11",
        "token_for_another_object",
        READ,
        {"tokens": [token()]},
        {"fields": service()},
        order=11,
    ),
    7: Case(
        "an order of another tenant",
        "not_found",
        READ,
        {"tokens": [token(about={"object": "20"})]},
        {"fields": service()},
        order=20,
    ),
    8: Case(
        "a stale token",
        "expired_token",
        READ,
        {"tokens": [token(ago=61)]},
        {"fields": service(exp=datetime.now(UTC) - timedelta(seconds=1))},
    ),
    9: Case(
        "a write that is sent again",
        "token_used",
        REFUND,
        {"tokens": [REFUNDING], "times": 2},
        {"fields": service(), "times": 2},
        order=12,
    ),
    10: Case(
        "a user that was suspended a moment ago",
        "unknown_user",
        READ,
        {"tokens": [token()]},
        {"fields": service()},
        state={"is_suspended": True},
    ),
    11: Case(
        "a role that was taken away since",
        "not_allowed",
        READ,
        {"tokens": [token()]},
        {"fields": service()},
        state={"role": "customer"},
    ),
    12: Case(
        "two identities in one request",
        "duplicate_field",
        LIST,
        {"tokens": [LISTING, {**LISTING, "subject": "customer:1"}]},
        {"fields": [*service(), (USER, "customer:1")]},
    ),
}
WRONG = {1, 4, 5, 6, 7, 9, 10, 12}
"""What the guide's service lets through."""


def play(shop: Shop, to: str, case: Case) -> tuple[bool, list[Any]]:
    """Play a case; say whether it went through, read back where it writes, and what was answered."""
    before = shop.states[to].refunds()
    if case.state:
        shop.change("staff:9", **case.state)
    try:
        told = case.ours if to == "ours" else case.sample
        answers = shop.call(to, case.what, case.order, **told)
    finally:
        shop.change("staff:9", is_suspended=False, role="admin")
    paid = shop.states[to].refunds()[case.order] - before[case.order]
    honest = len(answers) - 1  # of two equal writes the first one is
    return (paid > honest if case.what is REFUND else answers[-1][0] == 200), answers


@pytest.mark.parametrize("number", CASES)
def test_a_confused_deputy_is_refused(shop: Shop, number: int) -> None:
    """CWE-441, CWE-863: each of the twelve, over HTTP and mTLS, with its own reason in the event."""
    went_through, answers = play(shop, "ours", CASES[number])
    assert not went_through
    assert shop.code(answers[-1]) == CASES[number].code
    assert {status for status, _, _ in answers[:-1]} <= {200}


def test_the_guides_own_service_lets_eight_through(shop: Shop) -> None:
    """The twin: each case is a real one, and the four that it refuses are its steps at work."""
    assert {number for number, case in CASES.items() if play(shop, "sample", case)[0]} == WRONG
    assert len(WRONG) == 8


@pytest.mark.parametrize("to", ["ours", "sample"])
def test_the_honest_call_is_answered(shop: Shop, to: str) -> None:
    """The twin: a list, an order, a refund, by a caller that may, for a user that may."""
    refunding = token(scope=["order.refund"])
    asked = {LIST: LISTING, READ: token(), REFUND: refunding}
    for what, said in asked.items():
        told = {"tokens": [said]} if to == "ours" else {"fields": service()}
        ((status, _, text),) = shop.call(to, what, **told)
        assert status == 200, text
    assert shop.states[to].refunds()[10] == 1
    ((_, _, text),) = shop.call(
        to, LIST, **({"tokens": [LISTING]} if to == "ours" else {"fields": service()})
    )
    tenants = {order["tenant"] for order in json.loads(text)}
    assert tenants == ({"t1"} if to == "ours" else {"t1", "t2"})


def test_the_gateway_calls_for_its_own_user(shop: Shop) -> None:
    """A session at the gateway, a token that it mints for this call, an order: and a customer's is 403."""
    for token_of, status in (("s" * 32, 200), ("c" * 32, 403)):
        answer = httpx.get(
            f"{shop.gateway}/orders/10", headers={"cookie": f"session={token_of}"}, trust_env=False
        )
        assert answer.status_code == status


def test_every_401_is_the_same_and_names_its_scheme(shop: Shop) -> None:
    """A field, no token, a stale one's neighbour: one content, one challenge; RFC 9110 §15.5.2."""
    told: list[dict[str, Any]] = [
        {"tokens": []},
        {"tokens": [token()], "fields": [("X-User-Role", "admin")]},
        {"tokens": [token(trust_domain="bank.example")]},
    ]
    answers = [shop.call("ours", READ, **each)[0] for each in told]
    assert {(status, fields["www-authenticate"]) for status, fields, _ in answers} == {
        (401, 'Txn-Token realm="orders"')
    }
    assert len({text for _, _, text in answers}) == 1
    assert shop.call("ours", READ, tokens=[token()])[0][0] == 200


def test_nobody_calls_without_a_certificate(shop: Shop) -> None:
    """SV-01: past the gateway, with an honest token: TLS itself ends it; the gateway is answered."""
    honest = {"Txn-Token": minted(**token())}
    url = f"{shop.urls['ours']}/api/admin/orders/10"
    context = ssl.create_default_context(cafile=str(shop.folder / "ca.pem"))
    with pytest.raises(httpx.TransportError):
        httpx.get(url, headers=honest, verify=context, trust_env=False)
    context.load_cert_chain(str(shop.folder / "gateway.pem"))
    assert httpx.get(url, headers=honest, verify=context, trust_env=False).status_code == 200
