"""The webhook attacks that need concurrency, a crash, a slow effect or a store that is gone."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pratique import Perimeter, Refused, stores
from pratique.core.refusal import Answer
from tests.shop import (
    NOW,
    Shop,
    async_orm,
    boundary,
    claim,
    held,
    plain_sqlite3,
    started,
    sync_orm,
)


def outcome(shop: Shop, *args: Any, **more: Any) -> str:
    """Deliver; return "proven" or the code."""
    try:
        shop.perimeter.admit(shop.payments, claim(*args, **more))
    except Refused as refused:
        return refused.code
    return "proven"


@pytest.mark.parametrize("same_id", [True, False])
@pytest.mark.parametrize("make", [plain_sqlite3, lambda p: sync_orm(f"sqlite:///{p}")])
def test_deliveries_at_the_same_time_have_one_effect(
    tmp_path: Path, make: Any, same_id: bool
) -> None:
    """WH-15, WH-35: eight threads, the same or different event ids, one invoice."""
    with started(make(tmp_path / "shop.db")) as shop:
        with ThreadPoolExecutor(8) as pool:
            found = list(
                pool.map(lambda n: outcome(shop, "evt_1" if same_id else f"evt_{n}"), range(8))
            )
        assert found.count("proven") <= 1
        outcome(shop, "evt_last")
        assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)
        assert outcome(shop, "evt_b", invoice="in_2") == "proven"


async def test_tasks_at_the_same_time_have_one_effect(tmp_path: Path) -> None:
    """WH-15 on the event loop."""
    shop = async_orm(f"sqlite+aiosqlite:///{tmp_path}/shop.db")
    async with shop.perimeter as perimeter:
        found = await asyncio.gather(
            *(perimeter.aadmit(shop.payments, claim()) for _ in range(8)), return_exceptions=True
        )
        assert all(isinstance(f, Refused) for f in found if isinstance(f, BaseException))
        assert shop.row["upgrades"] == 1


def test_an_effect_that_raises_leaves_nothing_and_the_redelivery_applies_once(
    tmp_path: Path,
) -> None:
    """WH-18: the effect and its key roll back together; the user's own exception arrives."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    fails = [True]
    act = next(iter(shop.payments._registered)).act.call
    payments = boundary()
    registered = shop.payments._registered[0]

    def activate(paid: Any, db: Any) -> None:
        act(paid, db)
        if fails.pop():
            message = "after the effect"
            raise RuntimeError(message)

    payments.on(
        "invoice.paid",
        confirm=registered.confirm.call,
        once=registered.once.call,
        link=registered.link.call,
        allow=registered.allow.call,
    )(activate)
    perimeter = Perimeter(store=shop.perimeter.store, clock=shop.perimeter.clock)
    perimeter.declare(payments)
    with perimeter:
        with pytest.raises(RuntimeError, match="after the effect"):
            perimeter.admit(payments, claim())
        assert shop.row["upgrades"] == 0
        fails.append(False)
        perimeter.admit(payments, claim())
        assert shop.row["upgrades"] == 1


def test_fails_closed_while_the_store_is_gone(tmp_path: Path) -> None:
    """WH-19: 503 and no effect; the same delivery is admitted once it is back."""
    with started(plain_sqlite3(tmp_path / "shop.db")) as shop:
        names = [
            row["name"]
            for row in _sql(tmp_path, "SELECT name FROM sqlite_master WHERE type = 'table'")
            if row["name"].startswith("pratique")
        ]
        assert names
        for name in names:
            shop.execute(f"ALTER TABLE {name} RENAME TO gone_{name}")
        with pytest.raises(Refused) as refused:
            shop.perimeter.admit(shop.payments, claim())
        assert (refused.value.answer, refused.value.status) == (Answer.RETRY, 503)
        assert shop.row["upgrades"] == 0
        for name in names:
            shop.execute(f"ALTER TABLE gone_{name} RENAME TO {name}")
        assert outcome(shop) == "proven"
        assert shop.row["upgrades"] == 1


def _sql(tmp_path: Path, statement: str) -> list[Any]:
    import sqlite3

    db = sqlite3.connect(tmp_path / "shop.db")
    db.row_factory = sqlite3.Row
    try:
        return list(db.execute(statement))
    finally:
        db.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_delivery_during_the_lease_is_asked_to_come_again(tmp_path: Path, kind: str) -> None:
    """WH-34: another delivery inside the effect is "busy"; afterwards it is "replayed"."""
    shop = held(stores.memory() if kind == "memory" else stores.sqlite(tmp_path / "keys.db"))
    inside: list[str] = []
    registered = shop.payments._registered[0]
    row = shop.row

    def link(invoice: Any) -> Any:
        inside.append(outcome(shop) if not inside else "")
        return row

    payments = shop.payments
    object.__setattr__(registered, "link", type(registered.link)(**_fields(registered.link, link)))
    with started(shop):
        assert outcome(shop) == "proven"
        assert inside[0] == "busy"
        assert outcome(shop) == "replayed"
    assert (payments.name, row["upgrades"]) == ("payments", 1)


def _fields(callback: Any, call: Any) -> dict[str, Any]:
    import dataclasses

    return {f.name: getattr(callback, f.name) for f in dataclasses.fields(callback)} | {
        "call": call
    }


def test_a_resend_long_after_is_applied_once(tmp_path: Path) -> None:
    """WH-37: a year later, signed again, after a restart: the keys are for good."""
    with started(plain_sqlite3(tmp_path / "shop.db")) as shop:
        assert outcome(shop) == "proven"
    with started(shop):
        shop.clock[0] = NOW + timedelta(days=365)
        assert outcome(shop, at=shop.clock[0]) == "replayed"
        assert outcome(shop, "evt_2", at=shop.clock[0]) == "already_applied"
        assert shop.row["upgrades"] == 1
        assert outcome(shop, "evt_3", invoice="in_2", at=shop.clock[0]) == "proven"
