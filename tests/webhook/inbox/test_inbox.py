"""Receive now, work later: what is kept, what is answered, and what came of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pratique import Claim, Fields, Refused
from pratique.core.inbox import State
from pratique.webhook import End
from tests.shop import NOW, Invoice, Shop, astarted, claim, delivery
from tests.webhook.inbox.shops import KINDS, QUICK, on, received


@pytest.fixture(params=KINDS)
async def shop(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """Return a started shop that keeps its deliveries."""
    made = on(request.param, request, tmp_path)
    async with astarted(made):
        yield made


@pytest.fixture(params=["sqlite3", "orm-aiosqlite"])
async def one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shop]:
    """Return a started shop for what no store makes different: a sync and an async one."""
    made = on(request.param, request, tmp_path)
    async with astarted(made):
        yield made


async def row_of(shop: Shop) -> Any:
    """Return the only kept delivery, without its content."""
    inbox = shop.payments.async_inbox()
    (row,) = await inbox.listed("payments")
    return row


async def drained(shop: Shop, times: int = 1) -> int:
    """Let a worker look so often; pauses of a millisecond are over by then."""
    inbox, count = shop.payments.async_inbox(), 0
    for _ in range(times):
        for row in await inbox.listed("payments", state=State.WAITING):
            count += (await shop.payments.awork(row.id)).end is not End.NOT_TAKEN
    return count


async def test_a_delivery_is_kept_and_its_effect_comes_with_a_worker(shop: Shop) -> None:
    """WH: 202 at once, no effect; one effect when it is worked, and none when it comes again."""
    refused = await received(shop)
    assert (refused.code, refused.status, refused.answer) == ("received", 202, "acknowledge")
    assert shop.row["upgrades"] == 0
    assert (await shop.payments.ainbox_status()).pending == 1
    assert await shop.payments.worker().adrain() == 1
    assert (shop.row["state"], shop.row["upgrades"]) == ("active", 1)
    assert (await shop.payments.ainbox_status()).pending == 0
    again = await received(shop)
    assert (again.code, again.status) == ("received_before", 202)
    assert await shop.payments.worker().adrain() == 0
    assert shop.row["upgrades"] == 1


async def test_content_goes_once_it_is_done_and_the_row_after_a_while(shop: Shop) -> None:
    """What came is kept as long as it is needed; swept, a delivery that comes again has no effect."""
    await received(shop)
    assert (await row_of(shop)).content_bytes > 0
    await drained(shop)
    row = await row_of(shop)
    assert (row.state, row.content_bytes) == (State.DONE, 0)
    _, kept = await shop.payments.async_inbox().show(row.id)
    assert (kept.content, tuple(kept.fields)) == (b"", ())
    inbox = shop.payments.async_inbox()
    assert await inbox.forget("payments", kept=timedelta(days=1), most=9) == 0
    assert await inbox.forget("payments", kept=timedelta(0), most=9) == 1
    assert (await received(shop)).code == "received"
    assert await shop.payments.worker().adrain() == 1
    assert shop.row["upgrades"] == 1


async def test_a_kept_delivery_is_fresh_as_of_its_receipt(one: Shop) -> None:
    """Hours later it crosses; one that is stale when it comes is refused and not kept."""
    await received(one)
    one.clock[0] = NOW + timedelta(hours=9)
    assert await one.payments.worker().adrain() == 1
    assert one.row["upgrades"] == 1
    stale = await received(one, "evt_2", at=one.clock[0], sent=NOW)
    assert (stale.code, stale.answer) == ("stale", "reject")
    forged = await received(one, "evt_3", secret="whsec_anotherSecretOfSomebody")
    assert forged.code == "bad_signature"
    assert (await one.payments.ainbox_status()).pending == 0


async def test_what_is_kept_is_proven_again(one: Shop) -> None:
    """A row that somebody writes past the endpoint is refused by its signature: a dead letter."""
    content, fields = delivery(secret="whsec_anotherSecretOfSomebody")
    await received(one)
    row = await row_of(one)
    _, honest = await one.payments.async_inbox().show(row.id)
    forged = replace(honest, id="0" * 32, key=b"forged", content=content, fields=Fields(fields))
    assert await one.payments.async_inbox().put(forged)
    worked = await one.payments.awork(forged.id)
    assert (worked.end, worked.code) == (End.DEAD, "bad_signature")
    assert (await one.payments.awork(honest.id)).end is End.DONE
    assert one.row["upgrades"] == 1


async def test_only_the_fields_that_the_scheme_reads_are_kept(one: Shop) -> None:
    """Neither a cookie nor a token that came along goes to the database."""
    content, fields = delivery()
    more = [*fields, ("Cookie", "session=1"), ("Authorization", "Bearer secret")]
    with pytest.raises(Refused):
        await one.perimeter.aadmit(one.payments, Claim(content, Fields(more), NOW))
    _, kept = await one.payments.async_inbox().show((await row_of(one)).id)
    assert [name for name, _ in kept.fields] == ["Stripe-Signature"]


async def test_what_nobody_handles_is_not_kept(one: Shop) -> None:
    """An event type without a handler is acknowledged, as ever."""
    refused = await received(one, kind="customer.created")
    assert (refused.code, refused.status) == ("ignored", 200)
    assert (await one.payments.ainbox_status()).pending == 0


async def test_not_there_yet_is_tried_again_until_it_is(one: Shop) -> None:
    """LATER: it waits for a pause, and its effect comes when the source says so."""
    one.provider.invoices["in_1"] = Invoice("in_1", "cus_1", status="open")
    await received(one)
    worked = await one.payments.awork((await row_of(one)).id)
    assert (worked.end, worked.code) == (End.AGAIN, "later")
    row = await row_of(one)
    assert (row.state, row.attempts, row.code) == (State.WAITING, 1, "later")
    one.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    assert await drained(one) == 1
    assert one.row["upgrades"] == 1


async def test_what_fails_too_often_is_a_dead_letter_until_it_is_replayed(shop: Shop) -> None:
    """Three attempts are declared: then no worker takes it, until an operator says so."""
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1", status="open")
    await received(shop)
    assert await drained(shop, 5) == 3
    status = await shop.payments.ainbox_status()
    assert (status.pending, status.dead) == (0, 1)
    row = await row_of(shop)
    assert (row.state, row.code, row.content_bytes > 0) == (State.DEAD, "later", True)
    shop.provider.invoices["in_1"] = Invoice("in_1", "cus_1")
    assert await drained(shop) == 0
    assert await shop.payments.async_inbox().move(row.id, State.WAITING)
    assert (await shop.payments.awork(row.id)).end is End.DONE
    assert shop.row["upgrades"] == 1


async def test_a_mismatch_is_a_dead_letter_at_once(one: Shop) -> None:
    """Its sender heard 202 and isn't asked again; the source says something else than the event."""
    del one.provider.invoices["in_1"]
    await received(one)
    worked = await one.payments.awork((await row_of(one)).id)
    assert (worked.end, worked.code) == (End.DEAD, "not_confirmed")
    assert (await row_of(one)).last_id == worked.crossing_id
    assert one.row["upgrades"] == 0


async def test_a_parked_delivery_is_worked_by_nobody(shop: Shop) -> None:
    """An operator lays it aside, and lets it be worked again."""
    await received(shop)
    name, inbox = (await row_of(shop)).id, shop.payments.async_inbox()
    assert await inbox.move(name, State.PARKED)
    assert await shop.payments.worker().adrain() == 0
    assert (await shop.payments.awork(name)).end is End.NOT_TAKEN
    assert (await shop.payments.ainbox_status()).parked == 1
    assert await inbox.move(name, State.WAITING)
    assert await shop.payments.worker().adrain() == 1
    assert shop.row["upgrades"] == 1
    assert not await inbox.move(name, State.PARKED)


async def test_a_delivery_that_a_worker_has_is_taken_by_no_other(shop: Shop) -> None:
    """Nor once it is done; and one that isn't there is nobody's."""
    await received(shop)
    name, inbox = (await row_of(shop)).id, shop.payments.async_inbox()
    taken = await inbox.take("payments", lease=QUICK.lease)
    assert (await shop.payments.awork(name)).end is End.NOT_TAKEN
    assert not await inbox.move(name, State.WAITING)
    assert await inbox.later(name, taken.token, pause=timedelta(0), code="x")
    assert (await shop.payments.awork(name)).end is End.DONE
    assert (await shop.payments.awork(name)).end is End.NOT_TAKEN
    assert (await shop.payments.awork("0" * 32)).end is End.NOT_TAKEN


async def test_a_worker_whose_lease_has_ended_does_nothing(shop: Shop) -> None:
    """Another one took over while it waited for the source: one effect, by the one that has it."""
    await received(shop)
    name, inbox = (await row_of(shop)).id, shop.payments.async_inbox()
    first = await inbox.take("payments", lease=timedelta(0))
    second = await inbox.take("payments", lease=QUICK.lease)
    assert second.token > first.token
    assert not await inbox.done(name, first.token)
    worked = await shop.payments.awork_taken(first)
    if shop.perimeter.store.transactional:
        assert (worked.end, worked.code) == (End.AGAIN, "taken_over")
        assert shop.row["upgrades"] == 0
    assert (await shop.payments.awork_taken(second)).end is End.DONE
    assert shop.row["upgrades"] == 1


async def test_a_receipt_is_an_event_and_its_crossing_names_it(one: Shop) -> None:
    """The event of the effect says within which receipt it began."""
    refused = await received(one)
    record = await one.perimeter.afind(refused.crossing_id)
    assert record is not None
    assert (record.outcome, record.proofs) == ("received", ("authentic", "fresh"))
    worked = await one.payments.awork((await row_of(one)).id)
    done = await one.perimeter.afind(worked.crossing_id)
    assert done is not None
    assert (done.outcome, done.within) == ("proven", refused.crossing_id)
    assert record.key == done.key == (await row_of(one)).id


def test_a_claim_is_still_a_claim() -> None:
    """The twin of the field's test: `claim` makes what the endpoint is handed."""
    assert claim().content == delivery()[0]
