"""Which texts may stand in no answer: the secret without its scheme, and nothing that is short."""

from base64 import b64encode

import pytest

from pratique.core.refusal import Refused
from pratique.partner.echo import require_no_echo, secrets_in

KEY = "sk_live_9f8a7b6c5d4e3f2a"


@pytest.mark.parametrize(
    ("sent", "repeated"),
    [
        (f"Bearer {KEY}", KEY),
        (KEY, KEY),
        ("correct horse battery", "horse battery"),
        ("Basic " + b64encode(b"api:hunter2hunter2").decode(), "hunter2hunter2"),
        ("basic " + b64encode(b"api:hunter2hunter2").decode().rstrip("="), "hunter2hunter2"),
        ("Basic no-base64!", "no-base64!"),
        ('Bearer quo"te/slash', r"quo\"te\/slash"),
        ('Bearer quo"te/slash', r"\u0071uo\"te\u002fslas\u0068"),
    ],
)
def test_a_secret_is_found_however_it_is_repeated(sent: str, repeated: str) -> None:
    """VALID: "echoes_secret". The scheme alone, and an answer without it, pass."""
    ours = secrets_in([sent])
    with pytest.raises(Refused) as caught:
        require_no_echo(f'{{"a": "x{repeated}x"}}'.encode(), ours)
    assert caught.value.code == "echoes_secret"
    assert repeated not in str(caught.value)
    for honest in (b'{"a": "Bearer Basic basic"}', b""):
        require_no_echo(honest, ours)


def test_what_is_short_is_not_looked_for() -> None:
    """A password of one letter stands in every answer; its login as a whole doesn't."""
    ours = secrets_in(["Basic " + b64encode(b"a-long-name:x").decode()])
    require_no_echo(b'{"a": "x"}', ours)
    with pytest.raises(Refused):
        require_no_echo(b'{"a": "a-long-name:x"}', ours)
