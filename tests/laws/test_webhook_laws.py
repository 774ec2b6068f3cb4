"""Laws of the webhook boundary, by Hypothesis: nothing but Refused leaves, each flipped bit is refused, nothing is shown."""

import asyncio
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pratique import Claim, Fields, Perimeter, Refused, stores
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers
from tests.shop import NOW, SECRET, Shop, claim, delivery, held

RUNS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=80)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no refusal be logged, of thousands: in these tests alone."""
    monkeypatch.setattr(logging.getLogger("pratique"), "disabled", True)


def shop_of(*, is_async: bool = False) -> Shop:
    """Return a fresh shop in memory."""
    return held(stores.memory(), is_async=is_async, deadline=None)


def outcome(shop: Shop, given: Claim) -> str:
    """Cross on this thread."""
    try:
        shop.perimeter.admit(shop.payments, given)
    except Refused as refused:
        return f"{refused.obligation}/{refused.code}"
    return "proven"


async def aoutcome(shop: Shop, given: Claim) -> str:
    """Cross on the event loop."""
    async with shop.perimeter as perimeter:
        try:
            await perimeter.aadmit(shop.payments, given)
        except Refused as refused:
            return f"{refused.obligation}/{refused.code}"
        return "proven"


@RUNS
@given(content=st.binary(max_size=200), value=TEXT, is_sealed=st.booleans())
def test_any_bytes_are_refused_and_both_drivers_agree(
    content: bytes, value: str, is_sealed: bool
) -> None:
    """Laws 1 and 3; the twin is the honest delivery."""
    lines = delivery(content=content)[1] if is_sealed else [("Stripe-Signature", value)]
    shop, other = shop_of(), shop_of(is_async=True)
    given_claim = Claim(content, Fields(lines), NOW)
    with shop.perimeter:
        found = outcome(shop, given_claim)
        assert found != "proven"
        assert outcome(shop, claim()) == "proven"
    assert asyncio.run(aoutcome(other, given_claim)) == found


@RUNS
@given(data=st.data())
def test_one_flipped_bit_is_refused(data: st.DataObject) -> None:
    """Law 4, over the content and the signature's own hexadecimal text."""
    content, fields = delivery()
    value = dict(fields)["Stripe-Signature"]
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    place = data.draw(st.integers(len(value) - 64, len(value) - 1))
    other = value[:place] + ("0" if value[place] != "0" else "1") + value[place + 1 :]
    scheme = providers.get("stripe")
    for bad in (
        Claim(bytes(changed), Fields(fields), NOW),
        Claim(content, Fields([("Stripe-Signature", other)]), NOW),
    ):
        with pytest.raises(Refused):
            scheme.open(bad, secrets=[SECRET])
    assert scheme.open(Claim(content, Fields(fields), NOW), secrets=[SECRET]).account == ""


@RUNS
@given(mark=st.text("abcdefghjkmnpqrstuvwxyz", min_size=14, max_size=20))
def test_nothing_unproven_is_shown(mark: str) -> None:
    """Law 5: neither the secret nor the claim is in a refusal, a record or an answer."""
    shop = shop_of()
    with shop.perimeter:
        for bad in (claim(mark, secret="whsec_of_somebody_else_1"), claim(mark, invoice=mark)):
            with pytest.raises(Refused) as refused:
                shop.perimeter.admit(shop.payments, bad)
            error = refused.value
            record = shop.perimeter.find(error.crossing_id)
            shown = f"{error}{error!r}{error.problem()}{record!r}{bad!r}"
            assert mark not in shown
            assert SECRET not in shown


@pytest.mark.parametrize("role", ["confirm", "once", "link", "allow"])
@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, OSError, BoundaryError])
def test_a_proof_that_raises_refuses(role: str, error: Any) -> None:
    """Law 2: whatever is raised is a refusal, nothing is applied, and its text isn't shown."""
    shop = shop_of()

    def raises(*_: object) -> Any:
        raise error(SECRET)

    registered = shop.payments._registered[0]
    before = getattr(registered, role)
    object.__setattr__(registered, role, type(before)(raises, False, False, "test"))
    with shop.perimeter:
        with pytest.raises(Refused) as refused:
            shop.perimeter.admit(shop.payments, claim())
        assert refused.value.status == 503
        assert SECRET not in str(refused.value)
        assert shop.row["upgrades"] == 0


def test_empty_is_never_unset() -> None:
    """Law 6."""
    with pytest.raises(BoundaryError):
        Perimeter(store=stores.memory(), events=[])
    for secrets in ([], ""):
        with pytest.raises(Refused):
            providers.get("stripe").open(claim(), secrets=secrets)
    assert Perimeter(store=stores.memory()).store is not None
