"""WH-14…24, 30, 31, 33…37: an honest signature over something that may not change state (again)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Claim, Fields, Perimeter, Refused, stores
from pratique.core.event import Outcome
from pratique.core.refusal import BoundaryError, StoreError
from pratique.webhook import Webhook, providers
from tests.attacks.door import SHOPS, Door, open_door
from tests.shop import NOW, SECRET, Invoice, claim, held, plain_sqlite3, sync_orm


def test_applies_a_replayed_delivery_once(door: Door) -> None:
    """WH-14: acknowledged, one effect."""
    assert [door.send()[0] for _ in range(3)] == [200, 200, 200]
    assert door.upgrades == 1


def test_applies_concurrent_duplicates_once(tmp_path: Path) -> None:
    """WH-15: 8 at a time, three rounds, on threads."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    with shop.perimeter as perimeter, ThreadPoolExecutor(8) as pool:

        def send(_: int) -> str:
            try:
                perimeter.admit(shop.payments, claim())
            except Refused as refused:
                return refused.code
            return "admitted"

        for _ in range(3):
            codes = list(pool.map(send, range(8)))
    assert shop.row["upgrades"] == 1
    assert set(codes) == {"replayed"}


def test_applies_one_business_object_once_whatever_event_names_it(door: Door) -> None:
    """WH-16: another event id, the same invoice; another invoice is another object."""
    assert door.send("evt_1")[0] == 200
    status, record = door.send("evt_2")
    assert (status, record.code, door.upgrades) == (200, "already_applied", 1)
    assert door.send("evt_3", invoice="in_2")[0] == 200
    assert [row["upgrades"] for row in door.shop.rows()] == [1, 1]


@pytest.mark.parametrize("event_id", [None, 17, "x" * 10_000, "evt 1", "evt_1 ", ["evt_1"], ""])
def test_a_strange_id_is_no_fresh_identity(door: Door, event_id: Any) -> None:
    """WH-17: signed or not, it is refused; the twin is admitted."""
    status, record = door.send(event_id)
    assert (status, record.obligation, door.upgrades) == (400, "valid", 0)
    assert door.send()[0] == 200
    assert door.upgrades == 1


def test_a_crash_between_effect_and_mark_leaves_neither(tmp_path: Path) -> None:
    """WH-18: the effect raises, everything rolls back, the redelivery has the one effect."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    real, crashes = shop.payments._registered[0].act.call, [True]

    def crash(paid: Any, db: Any) -> None:
        real(paid, db)
        if crashes and crashes.pop():
            raise RuntimeError("power is gone")

    registered = shop.payments._registered[0]
    object.__setattr__(registered, "act", type(registered.act)(crash, False, True, "crash"))
    with open_door(shop, raise_server_exceptions=False) as door:
        assert door.send()[0] == 500
        assert door.upgrades == 0
        assert door.send()[0] == 200
        assert door.upgrades == 1
        assert [r.outcome for r in door.shop.perimeter.recorder._recent] == [
            Outcome.EFFECT_FAILED,
            Outcome.PROVEN,
        ]


def test_a_store_that_is_down_refuses_and_loses_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WH-19: 503 with Retry-After, no effect; the same delivery is admitted when it is back."""
    store = door.shop.perimeter.store
    face = store.asynchronous or store.sync

    def down(*_: Any) -> Any:
        raise StoreError("down")

    with monkeypatch.context() as patch:
        patch.setattr(face, "begin", down, raising=False)
        answer = door.client.post("/api/webhooks/payment", **_request())
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert door.upgrades == 0
    assert door.send()[0] == 200
    assert door.upgrades == 1


def _request() -> dict[str, Any]:
    from tests.shop import delivery

    content, fields = delivery()
    return {"content": content, "headers": dict(fields)}


def test_asks_the_source_and_believes_it_alone(door: Door) -> None:
    """WH-20, WH-21: unknown there, or not paid there: no effect; one lookup each."""
    invoices = door.shop.provider.invoices
    assert door.send("evt_1", invoice="in_9")[1].code == "not_confirmed"
    invoices["in_1"] = Invoice("in_1", "cus_1", status="refunded")
    assert door.send("evt_2")[1].code == "not_confirmed"
    assert (door.upgrades, door.shop.provider.asked) == (0, ["in_9", "in_1"])
    invoices["in_1"] = Invoice("in_1", "cus_1")
    assert door.send("evt_2")[0] == 200
    assert door.upgrades == 1


def test_links_by_our_own_row_and_never_by_the_claim(door: Door) -> None:
    """WH-22, WH-33: the invoice is another customer's, whatever the event's metadata says."""
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_of_the_attacker")
    status, record = door.send(metadata={"subscriptionId": 1, "userId": 1}, account="acct_other")
    assert (status, record.outcome, record.code) == (200, Outcome.MISMATCH, "not_linked")
    assert [row["upgrades"] for row in door.shop.rows()] == [0, 0]
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    assert door.send()[0] == 200
    assert [row["upgrades"] for row in door.shop.rows()] == [1, 0]


def test_an_event_of_another_customer_changes_only_its_own_row(door: Door) -> None:
    """WH-33: the confirmed owner's row, whoever is named by the event."""
    assert door.send(invoice="in_2", customer="cus_1")[0] == 200
    assert [row["upgrades"] for row in door.shop.rows()] == [0, 1]


def test_uses_the_confirmed_amount_and_judges_it(door: Door) -> None:
    """WH-23: one cent is not allowed; what is stored is the source's figure, not the event's."""
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", amount=1)
    assert door.send("evt_1", amount=2900)[1].code == "not_allowed"
    assert door.upgrades == 0
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    assert door.send("evt_2", amount=1)[0] == 200
    assert door.shop.row["amount"] == 2900


def test_makes_no_backward_transition(door: Door) -> None:
    """WH-24: cancelled stays cancelled; a pending one is activated."""
    door.shop.execute("UPDATE subscription SET state = 'cancelled' WHERE id = 1")
    status, record = door.send()
    assert (status, record.code, door.shop.row["state"]) == (200, "not_allowed", "cancelled")
    assert door.send("evt_2", invoice="in_2")[0] == 200
    assert door.shop.rows()[1]["state"] == "active"


def test_a_resend_with_a_new_time_is_the_same_event(door: Door) -> None:
    """WH-30: signed again later, and by the other live secret: the key is of the id alone."""
    assert door.send()[0] == 200
    assert door.send(at=NOW + timedelta(seconds=60))[1].code == "replayed"
    assert door.upgrades == 1


def test_a_stranger_can_t_burn_the_key_of_an_honest_event(door: Door) -> None:
    """WH-31: keys are used after authentic, and freed by every refusal."""
    assert door.send(secret="whsec_of_somebody_else_1")[0] == 401
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", status="open")
    assert door.send()[0] == 503
    door.shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    assert door.send()[0] == 200
    assert door.upgrades == 1


def test_a_lease_that_ends_during_a_slow_effect_is_said_so() -> None:
    """WH-34: outside a transaction the window is named; with a lease that holds, one effect and no complaint."""
    for lease, wanted in ((timedelta(milliseconds=1), "overtaken"), (timedelta(seconds=60), "")):
        shop = held(stores.memory(), lease=lease)
        store, codes = shop.perimeter.store, []
        registered = shop.payments._registered[0]
        real = registered.act.call

        def slow(paid: Any, real: Any = real, store: Any = store) -> None:
            real(paid)
            for key in list(store._holds):
                while True:
                    taken = store.hold(key, lease=timedelta(seconds=60))
                    if type(taken).__name__ == "Held" or lease.total_seconds() > 1:
                        break

        object.__setattr__(registered, "act", type(registered.act)(slow, False, False, "slow"))
        store.transactional = False
        with shop.perimeter as perimeter:
            try:
                perimeter.admit(shop.payments, claim())
            except Refused as refused:
                codes.append(refused.code)
        assert codes == ([wanted] if wanted else [])


@pytest.mark.parametrize("name", SHOPS)
def test_two_events_for_one_row_at_once_leave_a_legal_state(name: str, tmp_path: Path) -> None:
    """WH-35: two invoices of one customer: the row allows one upgrade, and sees one."""
    shop = (
        plain_sqlite3(tmp_path / "a.db")
        if name == "sqlite3"
        else sync_orm(f"sqlite:///{tmp_path}/b.db")
    )
    shop.provider.invoices["in_2"] = Invoice("in_2", "cus_1")
    with shop.perimeter as perimeter, ThreadPoolExecutor(8) as pool:

        def send(number: int) -> str:
            try:
                perimeter.admit(
                    shop.payments, claim(f"evt_{number}", invoice=f"in_{number % 2 + 1}")
                )
            except Refused as refused:
                return refused.code
            return "admitted"

        codes = list(pool.map(send, range(16)))
    assert codes.count("admitted") == 1
    assert (shop.row["upgrades"], shop.row["state"]) == (1, "active")


def test_a_handler_that_commits_is_stopped_before_it_lands(tmp_path: Path) -> None:
    """WH-36: sqlite3 refuses the COMMIT itself; the twin without it is admitted."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    registered = shop.payments._registered[0]
    real, commits = registered.act.call, [True]

    def act(paid: Any, db: Any) -> None:
        real(paid, db)
        if commits and commits.pop():
            db.commit()

    object.__setattr__(registered, "act", type(registered.act)(act, False, True, "act"))
    with open_door(shop, raise_server_exceptions=False) as door:
        assert door.send()[0] == 500
        assert door.upgrades == 0
        assert door.send()[0] == 200
        assert door.upgrades == 1


def test_a_resend_after_a_year_under_another_boundary_name_is_known(tmp_path: Path) -> None:
    """WH-37, hole 13: the key has the declared scope, not the boundary's name, and never expires; another scope forgets."""
    path = tmp_path / "keys.db"
    codes = []
    for name, scope in (("payments", ""), ("billing", ""), ("billing", "new")):
        perimeter = Perimeter(store=stores.sqlite(path), clock=lambda: NOW)
        payments = perimeter.declare(Webhook(name, providers.stripe(secrets=SECRET), scope=scope))
        payments.on(
            "invoice.paid",
            confirm=lambda e: e.object_id,
            once=lambda i: i,
            link=lambda i: i,
            allow=lambda i, r: True,
        )(lambda paid: None)
        with perimeter:
            try:
                perimeter.admit(payments, claim())
                codes.append("admitted")
            except Refused as refused:
                codes.append(refused.code)
    assert codes == ["admitted", "replayed", "admitted"]


def test_what_is_owed_and_has_no_proof_does_not_start() -> None:
    """EV-04: each debt is listed at once, with its mend."""
    perimeter = Perimeter(store=stores.memory())
    payments = perimeter.declare(Webhook("payments", providers.stripe(secrets="changeme")))
    with pytest.raises(BoundaryError) as refused:
        perimeter.start()
    assert len(refused.value.debts) >= 2
    with pytest.raises(BoundaryError):
        perimeter.admit(payments, Claim(b"", Fields(), NOW))
