"""Laws that hold for every sender.

Any bytes are Opened or Refused, a flipped bit is refused, no text holds a secret.
"""

import traceback
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Claim, Fields, Refused, Secret
from pratique.core.proofs.authentic import hmac as mac
from pratique.webhook import providers
from pratique.webhook.scheme import Scheme

AT = datetime(2026, 11, 24, tzinfo=UTC)
TEXT_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
PUBLIC = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
CONTENT = b'{"id": "evt_1", "type": "paid", "event_id": "Ev1", "data": {"id": "in_1"}}'

OURS = providers.generic(
    "erp",
    signature_field="X-Erp-Signature",
    encoding="base64",
    digest="sha512",
    time_field="X-Erp-Time",
    id_field="X-Erp-Id",
    signed="{id}.{time}.{content}",
)
# (scheme, what signs, what opens)
CASES: dict[str, tuple[Scheme, str, str]] = {
    **{name: (providers.get(name), TEXT_SECRET, TEXT_SECRET) for name in providers.names()},
    "standard-webhooks v1a": (providers.get("standard-webhooks"), PRIVATE, PUBLIC),
    "generic": (OURS, TEXT_SECRET, TEXT_SECRET),
}
EVERY = pytest.mark.parametrize("case", CASES)
HOSTILE = st.one_of(
    st.text(max_size=60), st.sampled_from(["", " ", "\ud800", "é", "t=1,v1=", "9" * 5000])
)


def sealed(case: str) -> Claim:
    """Return an honest delivery."""
    scheme, signing, _ = CASES[case]
    return Claim(CONTENT, scheme.seal(CONTENT, secret=signing, at=AT, key="msg_1"), AT)


def refused(case: str, claim: Claim) -> Refused | None:
    """Open it; anything but Refused goes through."""
    scheme, _, opening = CASES[case]
    try:
        scheme.open(claim, secrets=[opening])
    except Refused as refusal:
        return refusal
    return None


@EVERY
def test_an_honest_delivery_opens(case: str) -> None:
    """The twin of every refusal below."""
    assert refused(case, sealed(case)) is None


@EVERY
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_content_and_any_field_values_are_refused_and_raise_nothing_else(
    case: str, data: st.DataObject
) -> None:
    """Law 1. Nobody without the secret makes one that opens."""
    names = [name for name, _ in sealed(case).fields]
    try:
        fields = Fields([(name, data.draw(HOSTILE)) for name in names if data.draw(st.booleans())])
    except Refused:
        return
    assert refused(case, Claim(data.draw(st.binary(max_size=80)), fields, AT)) is not None


@EVERY
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xef\xbb\xbf{}",
        b"\xff" * 1_000_000,
        b'{"id": "\\ud800"}',
        b'{"a": ' + b"[" * 100_000,
        b'{"id": 1e999, "type": {}}',
        b"payload=%ff&trigger_id=%00",
        b"a=1&" * 10_000,
    ],
    ids=["empty", "nul", "bom", "junk", "surrogate", "deep", "numbers", "form", "long form"],
)
def test_content_that_the_sender_signed_and_nobody_can_read_raises_nothing_else(
    case: str, content: bytes
) -> None:
    """Law 1 behind the signature: it opens, with the same key each time."""
    scheme, signing, opening = CASES[case]
    keys = set()
    for _ in range(2):
        claim = Claim(content, scheme.seal(content, secret=signing, at=AT, key="msg_1"), AT)
        keys.add(scheme.open(claim, secrets=[opening]).key)
    assert len(keys) == 1


@EVERY
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_in_anything_bound_is_refused(case: str, data: st.DataObject) -> None:
    """Law 4: content, time, id, signature."""
    honest = sealed(case)
    lines = list(honest.fields)
    place = data.draw(st.integers(0, len(lines)))
    if place == len(lines):
        at = data.draw(st.integers(0, len(CONTENT) * 8 - 1))
        content = bytearray(CONTENT)
        content[at // 8] ^= 1 << at % 8
        claim = Claim(bytes(content), honest.fields, AT)
    else:
        name, value = lines[place]
        at = data.draw(st.integers(0, len(value) * 7 - 1))
        changed = value[: at // 7] + chr(ord(value[at // 7]) ^ (1 << at % 7)) + value[at // 7 + 1 :]
        lines[place] = (name, changed)
        try:
            claim = Claim(CONTENT, Fields(lines), AT)
        except Refused:
            return
    assert refused(case, claim) is not None


@EVERY
def test_a_field_that_comes_twice_is_refused(case: str) -> None:
    """CWE-436: two programs read it differently."""
    honest = sealed(case)
    for line in honest.fields:
        refusal = refused(case, Claim(CONTENT, Fields([*honest.fields, line]), AT))
        assert refusal is not None
        assert refusal.code == "duplicate_field"


@EVERY
@pytest.mark.parametrize("value", ["", "   ", "é", "x" * 5000])
def test_a_signature_field_that_is_none_is_refused(case: str, value: str) -> None:
    """WH-01, WH-02, holes 1 and 12: never a TypeError, never a 500."""
    honest = sealed(case)
    signature = next(name for name, _ in honest.fields if "ignature" in name)
    lines = [(name, value if name == signature else text) for name, text in honest.fields]
    assert refused(case, Claim(CONTENT, Fields(lines), AT)) is not None
    without = [line for line in lines if line[0] != signature]
    refusal = refused(case, Claim(CONTENT, Fields(without), AT))
    assert refusal is not None
    assert refusal.code == "missing_signature"


@EVERY
def test_no_text_holds_a_secret_or_a_signature(case: str) -> None:
    """Law 5, EV-02: not the refusal, not its traceback, not the declaration."""
    scheme, signing, opening = CASES[case]
    honest = sealed(case)
    refusal = refused(case, Claim(CONTENT + b" ", honest.fields, AT))
    assert refusal is not None
    sender = scheme(secrets=Secret(opening, name="s"))
    texts = [str(refusal), repr(refusal), str(refusal.problem()), refusal.hint, repr(sender)]
    texts += ["".join(traceback.format_exception(refusal)), repr(scheme(secrets=opening))]
    signature = next(text for name, text in honest.fields if "ignature" in name)
    for kept in (opening, signing, opening[6:], signature, signature[-20:]):
        assert not [text for text in texts if kept in text]


@EVERY
@pytest.mark.parametrize("secrets", [[], "", [""], ["whsec_"], [PUBLIC[:12]]])
def test_a_secret_that_is_none_opens_nothing(case: str, secrets: Any) -> None:
    """WH-07, law 6: empty, and empty once decoded."""
    with pytest.raises(Refused):
        CASES[case][0].open(sealed(case), secrets=secrets)


def test_every_hmac_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """WH-29: each candidate goes through compare_digest, right or wrong."""
    compared: list[tuple[Any, Any]] = []
    honest = mac.compare_digest

    def hook(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return honest(one, other)

    monkeypatch.setattr(mac, "compare_digest", hook)
    for case in CASES:
        if "v1a" in case:
            continue
        before = len(compared)
        refused(case, sealed(case))
        refused(case, Claim(CONTENT + b" ", sealed(case).fields, AT))
        assert len(compared) == before + 2, case


@pytest.mark.parametrize(
    "case", [name for name, (scheme, _, _) in CASES.items() if scheme.signed_time]
)
def test_one_flipped_bit_in_the_time_is_refused(case: str) -> None:
    """Law 4 for the time alone: every bit of every digit, where the sender signs one."""
    honest = sealed(case)
    assert refused(case, honest) is None
    digits = str(int(AT.timestamp()))
    name, value = next((n, v) for n, v in honest.fields if digits in v)
    start = value.index(digits)
    for at in range(start * 7, (start + len(digits)) * 7):
        flipped = chr(ord(value[at // 7]) ^ (1 << at % 7))
        changed = value[: at // 7] + flipped + value[at // 7 + 1 :]
        lines = [(n, changed if n == name else v) for n, v in honest.fields]
        try:
            fields = Fields(lines)
        except Refused:
            continue  # a control character: no field at all
        assert refused(case, Claim(CONTENT, fields, AT)) is not None
