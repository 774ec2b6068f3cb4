"""The laws of every sender, for those whose proof isn't a MAC over the whole content."""

import re
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pratique import Claim, Fields, Refused
from pratique.webhook.opened import Grade
from tests.webhook.other_proofs import AT, CASES, SIGNED_TIME, Case, notification

EVERY = pytest.mark.parametrize("name", CASES)
PROVING = [name for name, case in CASES.items() if case.scheme.proves]
SIGNING = [name for name in CASES if name != "mollie"]
HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["", " ", "\ud800", "é", "a.b.c", "e30.e30.e30", "9" * 5000, "=" * 88]),
)


@cache
def sealed(name: str) -> Claim:
    """Return the same honest delivery each time: ECDSA signs anew with other bytes."""
    return CASES[name].sealed()


def refused(case: Case, claim: Claim) -> Refused | None:
    """Open it; anything but Refused goes through."""
    try:
        case.opened(claim)
    except Refused as refusal:
        return refusal
    return None


@EVERY
def test_an_honest_delivery_opens_with_its_grade(name: str) -> None:
    """The twin of every refusal below. What a sender doesn't sign is said."""
    case = CASES[name]
    opened = case.opened(case.sealed())
    weak = {"paypal": Grade.WEAK, "mailgun": Grade.WEAK, "gitlab-legacy": Grade.IDENTIFIED}
    assert opened.grade is {**weak, "mollie": Grade.UNSIGNED}.get(name, Grade.SIGNED)
    assert opened.envelope is not None
    assert (opened.sent == int(AT.timestamp())) is (name in SIGNED_TIME)
    assert opened.key == case.opened(case.sealed()).key


@EVERY
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_content_and_any_field_values_are_refused_and_raise_nothing_else(
    name: str, data: st.DataObject
) -> None:
    """Law 1."""
    case = CASES[name]
    names = [each for each, _ in sealed(name).fields]
    try:
        fields = Fields([(each, data.draw(HOSTILE)) for each in names if data.draw(st.booleans())])
    except Refused:
        return
    content = data.draw(st.one_of(st.binary(max_size=80), st.just(case.content)))
    found = refused(case, Claim(content, fields, AT))
    assert (found is None) is (name == "mollie" and content == case.content)


@EVERY
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"\xff" * 100_000,
        b'{"a": ' + b"[" * 100_000,
        b"[]",
        b'{"notificationItems": [1, null, {}], "signature": [], "Type": 1, "TopicArn": {}}',
        b'{"notificationItems": [{"NotificationRequestItem": {"amount": 1e999}}]}',
        b'{"signature": {"timestamp": 1, "token": "\\ud800", "signature": {}}}',
        b'{"Type": "Notification", "Type": "Notification"}',
    ],
    ids=["empty", "nul", "junk", "deep", "list", "types", "numbers", "surrogate", "twice"],
)
def test_content_that_nobody_can_read_raises_nothing_else(name: str, content: bytes) -> None:
    """Law 1: with the fields of an honest delivery."""
    case = CASES[name]
    found = refused(case, Claim(content, case.sealed().fields, AT))
    assert (found is None) is (name == "gitlab-legacy")


@pytest.mark.parametrize("name", SIGNING)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_one_flipped_bit_in_anything_bound_is_refused(name: str, data: st.DataObject) -> None:
    """Law 4: the fields for all, the content where all of it is bound."""
    case = CASES[name]
    honest = sealed(name)
    lines = list(honest.fields)
    place = data.draw(st.integers(0, len(lines)))
    if place == len(lines) or "amz" in lines[place][0]:
        if not case.is_bound:
            return
        at = data.draw(st.integers(0, len(honest.content) * 8 - 1))
        content = bytearray(honest.content)
        content[at // 8] ^= 1 << at % 8
        opened = refused(case, Claim(bytes(content), honest.fields, AT)) is None
        # SNS signs members: another name of a member that it doesn't sign is no change of those.
        assert not opened, content
        return
    field, value = lines[place]
    at = data.draw(st.integers(0, len(value) * 7 - 1))
    changed = value[: at // 7] + chr(ord(value[at // 7]) ^ (1 << at % 7)) + value[at // 7 + 1 :]
    lines[place] = (field, changed)
    try:
        claim = Claim(honest.content, Fields(lines), AT)
    except Refused:
        return
    assert refused(case, claim) is not None


@pytest.mark.parametrize("name", SIGNING)
def test_a_stranger_s_key_opens_nothing(name: str) -> None:
    """WH-03: signed just as well, by somebody else."""
    case = CASES[name]
    found = refused(case, case.sealed(number=1))
    assert found is not None
    assert found.code in ("bad_signature", "unknown_key")
    assert refused(case, case.sealed()) is None


@pytest.mark.parametrize("name", SIGNED_TIME)
@pytest.mark.parametrize("lead", [-1, 1], ids=["stale", "future"])
def test_age_and_lead_are_bounded(name: str, lead: int) -> None:
    """WH-10, WH-11: one second inside the bound it opens, one outside it doesn't."""
    case = CASES[name]
    bound = case.scheme.tolerance
    if name == "messagebird" and lead < 0:
        bound = timedelta(seconds=61)  # its token's own end, and a second of leeway
    for seconds, wanted in ((-1, None), (1, "stale" if lead < 0 else "from_the_future")):
        at = AT + lead * (bound + timedelta(seconds=seconds))
        sealed = case.sealed(at=at) if name != "aws-sns" else _published(case, at)
        found = refused(case, Claim(sealed.content, sealed.fields, AT))
        code = found.code if found is not None else None
        assert ("stale" if code == "expired_token" else code) == wanted


def _published(case: Case, at: object) -> Claim:
    stamp = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
    return case.sealed(notification(Timestamp=stamp))


@pytest.mark.parametrize("name", SIGNING)
def test_a_field_that_is_missing_empty_doubled_or_beyond_ascii_is_refused(name: str) -> None:
    """WH-01, WH-02, WH-09, CWE-436."""
    case = CASES[name]
    honest = sealed(name)
    for place, (field, value) in enumerate(honest.fields):
        if "amz" in field:
            continue  # a hint, never read
        rest = [line for at, line in enumerate(honest.fields) if at != place]
        for told in ("", "  ", f"{value}é", "é", value[:-4], f"{value} "):
            assert refused(case, Claim(honest.content, Fields([*rest, (field, told)]), AT)), told
        assert refused(case, Claim(honest.content, Fields(rest), AT))
        doubled = refused(case, Claim(honest.content, Fields([*honest.fields, (field, value)]), AT))
        assert doubled is not None
        assert doubled.code == "duplicate_field"


@EVERY
def test_no_text_holds_a_secret_or_what_came(name: str) -> None:
    """Law 5."""
    case = CASES[name]
    honest = case.sealed()
    found = refused(case, Claim(honest.content + b" x", honest.fields, AT))
    if found is None:
        assert name == "gitlab-legacy"
        return
    texts = [str(found), repr(found), str(found.problem()), found.hint]
    kept = [case.opening(), *(value for _, value in honest.fields if len(value) > 30)]
    assert not [one for one in kept if one and any(one in text for text in texts)]
    assert not re.search(r"-----BEGIN|eyJ", " ".join(texts))
