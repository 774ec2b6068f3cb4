"""Twitch EventSub: the id is signed, and stands beside the time without a sign between."""

import pytest

from pratique import Claim, Fields, Refused
from tests.webhook.samples import SAMPLES

TWITCH = SAMPLES["twitch"]
ID = "Twitch-Eventsub-Message-Id"


@pytest.mark.parametrize("identity", ["msg_1é", "msg_1\udcff", "\ud800", "\u0663"])
def test_an_id_beyond_ascii_is_malformed_and_no_defect(identity: str) -> None:
    """Half a character can't be signed over: it is refused before it is looked at."""
    honest = TWITCH.sealed()
    lines = [(name, identity if name == ID else value) for name, value in honest.fields]
    with pytest.raises(Refused) as refused:
        TWITCH.open(Claim(honest.content, Fields(lines), honest.received_at))
    assert refused.value.code == "malformed_signature"
    assert TWITCH.open(honest).envelope is not None
