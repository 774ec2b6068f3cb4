"""Laws that hold for every sender.

Any bytes are Opened or Refused, a flipped bit is refused, no text holds a secret.
"""

import traceback
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Claim, Fields, Refused, Secret
from pratique.core.proofs.authentic import hmac as mac
from tests.webhook.samples import ANOTHER, AT, PUBLIC, SAMPLES

EVERY = pytest.mark.parametrize("case", SAMPLES)
STRICT = ("shopify", "square", "box", "x-twitter")
"""Senders of which some signed contents are refused: empty, not UTF-8, what a handshake signs."""
NO_SIGNATURE = ("box-signature-version", "box-signature-algorithm", "x-contentful-signed-headers")
HOSTILE = st.one_of(
    st.text(max_size=60), st.sampled_from(["", " ", "\ud800", "é", "t=1,v1=", "9" * 5000])
)


def sealed(case: str) -> Claim:
    """Return an honest delivery."""
    return SAMPLES[case].sealed()


def refused(case: str, claim: Claim) -> Refused | None:
    """Open it; anything but Refused goes through."""
    return SAMPLES[case].refused(claim)


def other(claim: Claim, *, content: bytes | None = None, fields: Fields | None = None) -> Claim:
    """Return a delivery that differs in one thing."""
    told = claim.fields if fields is None else fields
    return Claim(claim.content if content is None else content, told, AT, claim.via)


@EVERY
def test_an_honest_delivery_opens(case: str) -> None:
    """The twin of every refusal below."""
    assert refused(case, sealed(case)) is None


@EVERY
@settings(max_examples=25, deadline=None)
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
    content = data.draw(st.binary(max_size=80))
    assert refused(case, other(sealed(case), content=content, fields=fields)) is not None


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
    """Law 1 behind the signature: the same each time, the same key or the same refusal."""
    sample = SAMPLES[case]
    found = set[object]()
    for _ in range(2):
        try:
            found.add(sample.open(sample.sealed(content)).key)
        except Refused as refusal:
            found.add(refusal.code)
    assert len(found) == 1
    if not sample.is_form and sample.scheme.time_of is None and case not in STRICT:
        assert isinstance(found.pop(), bytes)


@EVERY
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_in_anything_bound_is_refused(case: str, data: st.DataObject) -> None:
    """Law 4: content, time, id, signature."""
    sample, honest = SAMPLES[case], sealed(case)
    names = sample.signed_names()
    lines = [line for line in honest.fields if line[0] in names]
    place = data.draw(st.integers(0, len(lines)))
    if place == len(lines):
        at = data.draw(st.integers(0, len(honest.content) * 8 - 1))
        content = bytearray(honest.content)
        content[at // 8] ^= 1 << at % 8
        claim = other(honest, content=bytes(content))
        # Of a form its pairs are bound: %7C and %7c are one.
        if sample.is_form and _pairs(claim) == _pairs(honest):
            assert sample.open(claim).key == sample.open(honest).key
            return
    else:
        name, value = lines[place]
        at = data.draw(st.integers(0, len(value) * 7 - 1))
        changed = value[: at // 7] + chr(ord(value[at // 7]) ^ (1 << at % 7)) + value[at // 7 + 1 :]
        try:
            told = [(n, changed if n == name else v) for n, v in honest.fields]
            claim = other(honest, fields=Fields(told))
        except Refused:
            return
    assert refused(case, claim) is not None


def _pairs(claim: Claim) -> list[tuple[str, str]]:
    try:
        return sorted(parse_qsl(claim.content.decode("ascii"), keep_blank_values=True))
    except ValueError:
        return []


@EVERY
def test_a_field_that_comes_twice_is_refused(case: str) -> None:
    """CWE-436: two programs read it differently."""
    honest, names = sealed(case), SAMPLES[case].signed_names()
    for line in honest.fields:
        if line[0] in names:
            refusal = refused(case, other(honest, fields=Fields([*honest.fields, line])))
            assert refusal is not None
            assert refusal.code == "duplicate_field"


@EVERY
@pytest.mark.parametrize("value", ["", "   ", "é", "x" * 5000])
def test_a_signature_field_that_is_none_is_refused(case: str, value: str) -> None:
    """WH-01, WH-02, holes 1 and 12: never a TypeError, never a 500."""
    honest = sealed(case)
    if not (signing := [name for name in SAMPLES[case].signed_names() if "ignature" in name]):
        signing = ["X-Shopify-Hmac-Sha256"] if case == "shopify" else []
    for signature in [each for each in signing if each not in NO_SIGNATURE]:
        lines = [(name, value if name == signature else text) for name, text in honest.fields]
        assert refused(case, other(honest, fields=Fields(lines))) is not None
        without = [line for line in lines if line[0] != signature]
        refusal = refused(case, other(honest, fields=Fields(without)))
        assert refusal is not None
        assert refusal.code in ("missing_signature", "malformed_signature")


@EVERY
def test_no_text_holds_a_secret_or_a_signature(case: str) -> None:
    """Law 5, EV-02: not the refusal, not its traceback, not the declaration."""
    sample = SAMPLES[case]
    honest = sample.sealed(secret=None if "v1a" in case else ANOTHER)
    altered = other(honest, content=honest.content + b" ") if "v1a" in case else honest
    refusal = refused(case, altered)
    assert refusal is not None
    texts = [str(refusal), repr(refusal), str(refusal.problem()), refusal.hint, repr(honest)]
    texts += ["".join(traceback.format_exception(refusal))]
    if sample.scheme.source == "literal":
        for secret in (Secret(sample.opening, name="s"), sample.opening):
            texts.append(repr(sample.scheme(secrets=secret, url=sample.url, **sample.pins)))
    hidden = [text for name, text in honest.fields if "ignature" in name and len(text) > 16]
    for kept in (sample.opening, sample.signing, sample.opening[6:], *hidden):
        assert not [text for text in texts if kept in text]


@EVERY
@pytest.mark.parametrize("secrets", [[], "", [""], ["whsec_"], [PUBLIC[:12]]])
def test_a_secret_that_is_none_opens_nothing(case: str, secrets: Any) -> None:
    """WH-07, law 6: empty, and empty once decoded."""
    with pytest.raises(Refused):
        SAMPLES[case].open(sealed(case), secrets=secrets)


def test_every_hmac_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """WH-29: each candidate goes through compare_digest, right or wrong."""
    compared: list[tuple[Any, Any]] = []
    honest = mac.compare_digest

    def hook(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return honest(one, other)

    monkeypatch.setattr(mac, "compare_digest", hook)
    for case, sample in SAMPLES.items():
        if "v1a" in case:
            continue
        for claim in (sample.sealed(), sample.sealed(secret=ANOTHER)):
            before = len(compared)
            sample.refused(claim)
            assert len(compared) > before, case


@pytest.mark.parametrize(
    "case",
    [
        name
        for name, sample in SAMPLES.items()
        if sample.scheme.signed_time and sample.scheme.time_of is None
    ],
)
def test_one_flipped_bit_in_the_time_is_refused(case: str) -> None:
    """Law 4 for the time alone: every bit of every digit, where a field carries it."""
    honest = sealed(case)
    assert refused(case, honest) is None
    told = SAMPLES[case].scheme.time.write(AT)
    name, value = next((n, v) for n, v in honest.fields if told in v)
    start = value.index(told)
    for at in range(start * 7, (start + len(told)) * 7):
        flipped = chr(ord(value[at // 7]) ^ (1 << at % 7))
        changed = value[: at // 7] + flipped + value[at // 7 + 1 :]
        lines = [(n, changed if n == name else v) for n, v in honest.fields]
        try:
            fields = Fields(lines)
        except Refused:
            continue  # a control character: no field at all
        assert refused(case, other(honest, fields=fields)) is not None
