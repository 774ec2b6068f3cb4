"""A boundary that only observes: the old view decides, nothing is minted, no key is used up, and it ends."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from pratique import unsafe
from pratique.core.refusal import BoundaryError
from pratique.integrations.described import described
from pratique.integrations.starlette import endpoint, guard
from tests.shop import NOW, URL, Shop, delivery, plain_sqlite3

UNTIL = date(2026, 12, 1)
SEEN: list[bytes] = []


async def old_view(request: Request) -> Response:
    """Stand for what was there before."""
    SEEN.append(await request.body())
    return PlainTextResponse("old")


def observed(tmp_path: Path, *, shadows: bool = True) -> tuple[Shop, Starlette]:
    """Return a shop whose boundary observes."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    shop.payments.observe = unsafe.observe(
        until=UNTIL, reason="taken into an old system", owner="payments team"
    )
    app = guard(Starlette(), shop.perimeter)
    app.add_route(
        URL, endpoint(shop.payments, shadows=old_view if shadows else None), methods=["POST"]
    )
    return shop, app


def test_the_old_view_decides_until_the_end_and_then_the_boundary(tmp_path: Path) -> None:
    """The same delivery, observed first, is admitted after the end: no key was used up."""
    SEEN.clear()
    shop, app = observed(tmp_path)
    content, fields = delivery()
    forged, forged_fields = delivery("evt_2", secret="whsec_of_somebody_else_1")
    with TestClient(app) as client:
        assert client.post(URL, content=content, headers=dict(fields)).text == "old"
        assert client.post(URL, content=forged, headers=dict(forged_fields)).text == "old"
        assert [content, forged] == SEEN
        assert shop.row["upgrades"] == 0
        outcomes = {label[2].value: n for label, n in shop.perimeter.tally.counts.items()}
        assert outcomes == {"would_admit": 1, "would_refuse": 1}
        shop.clock[0] = NOW + timedelta(days=30)
        content, fields = delivery(at=shop.clock[0])
        assert client.post(URL, content=content, headers=dict(fields)).json() == {}
        assert (shop.row["upgrades"], len(SEEN)) == (1, 2)


def test_an_observing_boundary_without_a_view_behind_it_does_not_start(tmp_path: Path) -> None:
    """It would acknowledge deliveries that nobody handles."""
    _, app = observed(tmp_path, shadows=False)
    with pytest.raises(BoundaryError, match="shadows="), TestClient(app):
        pass


def test_its_route_is_legacy_and_guarded_once_it_enforces(tmp_path: Path) -> None:
    """Whoever forges reaches the old view meanwhile: a lock that called it guarded would say too much."""
    shop, app = observed(tmp_path)
    told = described(app)
    assert told is not None
    (route,) = told.routes()
    assert (route.state, route.named) == ("legacy", "observed until 2026-12-01 by payments")
    shop.payments.observe = None
    (route,) = told.routes()
    assert (route.state, route.named) == ("guarded", "payments")


@pytest.mark.parametrize("until", [NOW.date(), NOW.date() + timedelta(days=91)])
def test_observe_ends_within_90_days(tmp_path: Path, until: date) -> None:
    """Its end lies ahead, and not far."""
    shop, _ = observed(tmp_path)
    shop.payments.observe = unsafe.observe(until=until, reason="r", owner="o")
    assert any("observe" in debt for debt in shop.perimeter.debts())
    shop.payments.observe = unsafe.observe(
        until=NOW.date() + timedelta(days=90), reason="r", owner="o"
    )
    assert shop.perimeter.debts() == []
