"""Where honest contents repeat: one delivery is one event, the same content later another one."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pratique import Claim, Perimeter, Secret, stores
from pratique.core.refusal import Refused
from pratique.webhook import Webhook, providers
from tests.webhook.samples import SAMPLES, SECRET

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("case", "type", "later", "is_again"),
    [
        ("pusher", "channel_occupied", NOW + timedelta(minutes=1), True),
        ("pusher", "channel_occupied", NOW + timedelta(milliseconds=1), True),
        ("linear", "Issue.create", NOW + timedelta(minutes=1), False),
    ],
)
def test_a_channel_that_is_occupied_again_is_another_event(
    case: str, type: str, later: datetime, is_again: bool
) -> None:
    """The very same delivery is a replay; the same content with another time is one where none repeats.

    So Pusher's is another event, and Linear's the same one sent again (WH-30).
    """
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    hook = perimeter.declare(Webhook("hook", providers.get(case)(secrets=Secret(SECRET, name="s"))))
    seen: list[Any] = []
    hook.on(
        type,
        confirm=lambda event: event,
        once=lambda event: f"state {len(seen)}",
        link=lambda event: event,
        allow=lambda event, row: True,
    )(lambda admitted: seen.append(admitted.value.type))
    first = SAMPLES[case].sealed(at=NOW)
    second = SAMPLES[case].sealed(at=later)
    with perimeter:
        perimeter.admit(hook, first)
        again = Claim(first.content, first.fields, NOW + timedelta(seconds=1))
        with pytest.raises(Refused) as refused:
            perimeter.admit(hook, again)
        assert refused.value.code == "replayed"
        with suppress(Refused):
            perimeter.admit(hook, second)
    assert len(seen) == (2 if is_again else 1)
