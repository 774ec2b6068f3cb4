"""A partner that hides what it says behind the bounds of what is looked at."""

import json

import pytest

from pratique.core.refusal import BoundaryError
from pratique.core.secret import Secret
from pratique.fetch import FetchPolicy
from pratique.partner import Partner
from tests.fetch.world import World
from tests.partner.risk import HONEST, KEY, Risk


@pytest.mark.parametrize("beside", [0, 8, 40])
def test_an_error_under_200_is_seen_behind_any_number_of_members(world: World, beside: int) -> None:
    """UP-07: eight names stand in a text; an error that sorts behind them counts as well."""
    risk = Risk(world, is_async=False)
    more = {f"a{number}": number for number in range(beside)}
    risk.answers({**HONEST, **more, "error": "no such order"})
    assert risk.refusal().code == "error_under_200"
    risk.answers({**HONEST, **more, "error": None})
    assert risk.ask().score == 12
    assert risk.records[-1].detail.count(",") < 8


@pytest.mark.parametrize("form", ["\\u{:04x}", "\\u{:04X}"])
def test_a_secret_in_jsons_escapes_stands_in_no_text(world: World, form: str) -> None:
    """UP-12: undone it would be the name of a drifting member, and in the event (CWE-532)."""
    risk = Risk(world, is_async=False)
    told = json.dumps(HONEST)[:-1]
    escaped = form.format(ord(KEY[0])) + KEY[1:]
    risk.answers(f'{told},"{escaped}":1}}'.encode())
    assert risk.refusal().code == "echoes_secret"
    assert not [record for record in risk.records if KEY in repr(record)]
    risk.answers(f'{told},"{form.format(ord("x"))}":1}}'.encode())
    assert risk.ask().score == 12
    assert risk.records[-1].detail.endswith(": x")


def test_a_credential_is_not_sent_in_clear() -> None:
    """CWE-319: whoever sits in between would read it; without one http may be declared."""
    policy = FetchPolicy(hosts={"risk.example"}, schemes={"http"})
    with pytest.raises(BoundaryError) as caught:
        Partner("risk", "http://risk.example/v1", bearer=Secret.env("KEY"), policy=policy)
    assert "http" in str(caught.value)
    assert Partner("risk", "http://risk.example/v1", policy=policy).base == "http://risk.example/v1"
