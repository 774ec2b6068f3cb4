"""Adyen: every item is checked, what was signed has one reading, and the rest reaches nobody."""

import json
from typing import Any

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook.opened import Opened
from tests.webhook.other_proofs import AT, CASES, item

ADYEN = CASES["adyen"]


def opened(*items: dict[str, Any]) -> Opened:
    """Open items as they are."""
    content = json.dumps({"live": "false", "notificationItems": list(items)}).encode()
    return ADYEN.opened(Claim(content, Fields(), AT))


def sealed(*items: dict[str, Any]) -> list[dict[str, Any]]:
    """Sign items."""
    content = json.dumps({"live": "false", "notificationItems": list(items)}).encode()
    told: list[dict[str, Any]] = json.loads(ADYEN.sealed(content).content)["notificationItems"]
    return told


def changed(signed: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a signed item with other members."""
    return {"NotificationRequestItem": {**signed["NotificationRequestItem"], **more}}


def test_a_second_item_is_refused_whoever_signed_it() -> None:
    """The sender's own SDK looks at the first alone; and a list that is put together is a replay.

    Nothing signs a list: of one captured item each [a, a], [a, a, a] would be an event of its own.
    """
    (first,), (second,) = sealed(item()), sealed(item(pspReference="8514073381342284"))
    forged = changed(first, amount={"currency": "EUR", "value": 999999})
    bare = item(pspReference="1")
    for wrong in ((first, forged), (forged, first), (first, bare), (first, first), (first, second)):
        with pytest.raises(Refused):
            opened(*wrong)
    assert opened(first).envelope is not None
    assert opened(second).envelope is not None


def test_one_item_cannot_borrow_another_s_signature() -> None:
    """It is over its own members."""
    (first,), (second,) = sealed(item()), sealed(item(pspReference="8514073381342284"))
    with pytest.raises(Refused):
        opened(changed(first, additionalData=second["NotificationRequestItem"]["additionalData"]))
    assert opened(second).envelope is not None


@pytest.mark.parametrize(
    "moved",
    [
        {"merchantAccountCode": "TestMerchant:order", "merchantReference": "17"},
        {"merchantAccountCode": "TestMerchant:order:17", "merchantReference": ""},
        {"pspReference": "7914073381342284:", "merchantAccountCode": "TestMerchant"},
        {"originalReference": "TestMerchant", "merchantAccountCode": "order"},
        {"success": ""},
        {"success": True},
        {"amount": {"currency": "EUR", "value": "1130"}},
        {"amount": {"currency": "EUR", "value": 1130.0}},
        {"amount": {"currency": "AUTHORISATION", "value": 1130}},
        {"eventCode": None},
    ],
)
def test_a_sign_between_two_members_cannot_be_moved(moved: dict[str, Any]) -> None:
    """A colon isn't escaped, so it may stand in one member alone: the merchant's reference."""
    (signed,) = sealed(item())
    with pytest.raises(Refused):
        opened(changed(signed, **moved))
    assert opened(signed).envelope is not None


def test_what_is_not_signed_reaches_no_handler() -> None:
    """The date, the payment method and "live" are anybody's."""
    (signed,) = sealed(item())
    told = changed(signed, eventDate="1999-01-01", paymentMethod="gift", reason="approved")
    content = json.dumps({"live": "true", "notificationItems": [told]}).encode()
    claim = Claim(content, Fields(), AT)
    assert ADYEN.opened(claim).key == opened(signed).key
    assert ADYEN.scheme.signed_content is not None
    (kept,) = json.loads(ADYEN.scheme.signed_content(claim))["notificationItems"]
    assert sorted(kept["NotificationRequestItem"]) == [
        "amount",
        "eventCode",
        "merchantAccountCode",
        "merchantReference",
        "originalReference",
        "pspReference",
        "success",
    ]


def test_one_event_is_one_key_whatever_stands_beside_it() -> None:
    """Reference, event and success; another success is another event."""
    (first,), (second,) = sealed(item()), sealed(item(success="false"))
    assert opened(first).key != opened(second).key
    assert opened(changed(first, eventDate="1999-01-01")).key == opened(first).key


def test_no_item_is_refused() -> None:
    """Law 6: an empty list proves nothing."""
    (signed,) = sealed(item())
    with pytest.raises(Refused):
        opened()
    assert opened(signed).envelope is not None


def test_a_key_that_is_not_hexadecimal_opens_nothing() -> None:
    """As Adyen hands it out, and no other."""
    for secret in ("not hex at all, not at all", "abc", ""):
        with pytest.raises(Refused):
            ADYEN.scheme.open(ADYEN.sealed(), secrets=[secret])
