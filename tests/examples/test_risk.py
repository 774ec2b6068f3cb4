"""examples/risk: the partner informs, the shop decides."""

from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from starlette.testclient import TestClient

from examples.risk import app as guarded
from examples.risk import vulnerable
from examples.risk.partner import Partner

LIES = {"o_2": "not_about_it", "o_3": "bad_answer", "o_4": "partner_unavailable"}


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Serve the partner of the example on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Partner) as partner:
        Thread(target=partner.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{partner.server_port}"
        partner.shutdown()


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the key where the example looks for it."""
    monkeypatch.setenv("RISK_KEY", "sk-5f3c1d9be2a84a0d")


def test_a_lie_and_silence_decide_where_the_partner_is_believed(api: str) -> None:
    """UP-01, UP-05, UP-11: each of the three orders gets what the attacker wants."""
    with TestClient(vulnerable.create_app(api)) as client:
        states = [client.post(f"/orders/{order}/decide").json()["state"] for order in LIES]
    assert states == ["approve", "refunded", "approve"]


@pytest.mark.parametrize(("order", "code"), LIES.items())
def test_a_lie_and_silence_leave_the_order_as_it_was(
    api: str, key: None, order: str, code: str
) -> None:
    """The same answers are refused, and the order stays new."""
    with TestClient(guarded.create_app(api)) as client:
        answer = client.post(f"/orders/{order}/decide")
        assert (answer.status_code // 100, answer.json()["code"]) == (5, code)
        assert client.get(f"/orders/{order}").json() == {"state": "new"}


def test_an_honest_answer_informs(api: str, key: None) -> None:
    """The twin: approve with a low score is approved, unless the price is over our own limit."""
    rows = {"o_1": guarded.Order(4_900)}
    with TestClient(guarded.create_app(api, rows)) as client:
        assert client.post("/orders/o_1/decide").json() == {"state": "approve"}
        rows["o_1"] = guarded.Order(guarded.DEAR + 1)
        assert client.post("/orders/o_1/decide").json() == {"state": "review"}


def test_the_twin_serves_the_honest(api: str) -> None:
    """What is attacked works."""
    app: Any = vulnerable.create_app(api)
    with TestClient(app) as client:
        assert client.post("/orders/o_1/decide").json() == {"state": "approve"}
