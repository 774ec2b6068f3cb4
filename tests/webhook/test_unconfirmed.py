"""A sender whose scheme no literal of its own confirms is declared through `unsafe` alone, for a time."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from pratique import Perimeter, Secret, stores, unsafe
from pratique.core.claim import Claim
from pratique.core.refusal import BoundaryError, Refused
from pratique.webhook import Webhook, providers

SECRET = Secret("whsec_8sPq2Lx0Vt7RkYw3Zb5N", name="main")
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
UNTIL = date(2027, 1, 1)


def vouched(**more: Any) -> Any:
    """Return a sender that somebody answers for."""
    told: dict[str, Any] = {
        "reason": "a delivery of ours was checked",
        "owner": "us",
        "until": UNTIL,
    }
    return unsafe.unconfirmed(providers.get("twitch"), **{**told, **more})


def boundary(scheme: Any, at: datetime = NOW) -> tuple[Perimeter, Webhook]:
    """Declare it with one handler."""
    perimeter = Perimeter(store=stores.memory(), clock=lambda: at)
    hook = perimeter.declare(Webhook("hook", scheme(secrets=SECRET)))
    hook.on(
        "stream.online",
        confirm=lambda event: event,
        once=lambda event: event.id,
        link=lambda event: event,
        allow=lambda event, row: True,
    )(lambda admitted: None)
    return perimeter, hook


def test_each_unconfirmed_sender_is_refused_where_it_is_declared() -> None:
    """And each confirmed one isn't; the text names the mend."""
    unconfirmed = {n for n in providers.names() if providers.get(n).source != "literal"}
    assert {"twitch", "meta", "typeform"} <= unconfirmed
    assert not {"stripe", "github", "square", "bitbucket"} & unconfirmed
    for name in unconfirmed:
        with pytest.raises(BoundaryError, match=r"unsafe\.unconfirmed"):
            providers.get(name)(secrets=SECRET)


def test_who_answers_for_it_lets_it_be_declared_until_a_day() -> None:
    """Whole and not over, it starts, and stands in the declaration; the delivery crosses."""
    perimeter, hook = boundary(vouched())
    with perimeter:
        (declared,) = hook.declarations()
        assert declared.facts["unconfirmed sender"].startswith("a delivery of ours was checked")
        content = b'{"subscription": {"type": "stream.online"}, "event": {}}'
        fields = providers.get("twitch").seal(content, secret="whsec_8sPq2Lx0Vt7RkYw3Zb5N", at=NOW)
        assert perimeter.admit(hook, Claim(content, fields, NOW)).value.type == "stream.online"
        after = datetime(2027, 1, 1, tzinfo=UTC)
        late = providers.get("twitch").seal(content, secret="whsec_8sPq2Lx0Vt7RkYw3Zb5N", at=after)
        with pytest.raises(Refused) as refused:
            perimeter.admit(hook, Claim(content, late, after))
        assert refused.value.code == "unconfirmed_sender"


@pytest.mark.parametrize("wrong", [{"reason": " "}, {"owner": ""}, {"until": date(2026, 11, 24)}])
def test_what_is_not_whole_is_a_debt(wrong: dict[str, Any]) -> None:
    """Reason, owner and a day to come; the twin above has them all."""
    perimeter, _ = boundary(vouched(**wrong))
    with pytest.raises(BoundaryError, match="unconfirmed sender"):
        perimeter.start()
