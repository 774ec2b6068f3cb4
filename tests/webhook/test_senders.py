"""What holds for every sender, by one table: secret, age, lead, missing and doubled fields, empty content."""

from datetime import timedelta

import pytest

from pratique import Claim, Fields, Refused
from pratique.core.refusal import BoundaryError
from pratique.webhook import providers
from pratique.webhook.opened import Grade
from tests.webhook.samples import A_SECOND, ANOTHER, AT, PRIVATE, PUBLIC, SAMPLES, at_time

EVERY = pytest.mark.parametrize("case", SAMPLES)
TIMED = pytest.mark.parametrize("case", [n for n, s in SAMPLES.items() if s.scheme.signed_time])
OTHER_PRIVATE = "whsk_" + "A" * 43 + "="


@EVERY
def test_a_sender_says_what_it_binds_and_where_that_is_written(case: str) -> None:
    """Grade, source, what is bound, and a page of the sender's."""
    scheme = SAMPLES[case].scheme
    assert scheme.grade in tuple(Grade)
    assert scheme.source in ("literal", "unconfirmed")
    assert scheme.binds
    assert "content" in scheme.binds or scheme.grade is not Grade.SIGNED
    assert ("time" in scheme.binds) is scheme.signed_time or scheme.grade is not Grade.SIGNED
    assert ("url" in scheme.binds) is scheme.signs_url or scheme.grade is not Grade.SIGNED
    assert scheme.documentation.startswith("https://") or case == "generic"


@EVERY
def test_an_honest_delivery_has_an_envelope(case: str) -> None:
    """The twin of what a boundary refuses as bad_envelope; a signed id is in it."""
    sample = SAMPLES[case]
    opened = sample.open(sample.sealed())
    assert opened.envelope is not None
    assert bool(opened.envelope.id) or not sample.scheme.signed_key
    assert opened.envelope.type
    assert (opened.sent is not None) is sample.scheme.signed_time


@EVERY
def test_another_s_secret_is_refused(case: str) -> None:
    """WH-03."""
    sample = SAMPLES[case]
    other = OTHER_PRIVATE if sample.signing == PRIVATE else ANOTHER
    refusal = sample.refused(sample.sealed(secret=other))
    assert refusal is not None
    assert refusal.code == "bad_signature"
    assert sample.refused(sample.sealed()) is None


@EVERY
def test_either_of_two_live_secrets_opens(case: str) -> None:
    """While a secret is rolled."""
    sample = SAMPLES[case]
    other = PUBLIC if sample.signing == PRIVATE else ANOTHER
    for secrets in ([other, sample.opening], [sample.opening, other]):
        assert sample.open(sample.sealed(), secrets=secrets).key


@TIMED
def test_age_and_lead_are_bounded_to_the_second(case: str) -> None:
    """WH-10, WH-11: the sender's own figure, both ways, and its last second on either side."""
    sample = SAMPLES[case]
    bound, honest = sample.scheme.tolerance, sample.sealed()
    for away, code in ((bound + A_SECOND, "stale"), (-bound - A_SECOND, "from_the_future")):
        refusal = sample.refused(at_time(honest, AT + away))
        assert refusal is not None
        assert refusal.code == code
    for away in (bound, -bound, timedelta(0)):
        assert sample.refused(at_time(honest, AT + away)) is None


@pytest.mark.parametrize("case", [n for n, s in SAMPLES.items() if not s.scheme.signed_time])
def test_without_a_signed_time_the_clock_decides_nothing(case: str) -> None:
    """A year later it opens, with the same key, so that `unique` refuses it."""
    sample, honest = SAMPLES[case], SAMPLES[case].sealed()
    later = sample.open(at_time(honest, AT + timedelta(days=365)))
    assert later.key == sample.open(honest).key


@EVERY
def test_each_signed_field_is_owed(case: str) -> None:
    """WH-01, WH-02: missing, empty, not ASCII."""
    sample, honest = SAMPLES[case], SAMPLES[case].sealed()
    for name in sample.signed_names():
        without = [line for line in honest.fields if line[0] != name]
        for lines in (without, [*without, (name, "")], [*without, (name, "é\ud800")]):
            claim = Claim(honest.content, Fields(lines), AT, honest.via)
            assert sample.refused(claim) is not None, name
    assert sample.refused(honest) is None


@EVERY
def test_an_empty_content_is_not_an_event(case: str) -> None:
    """With the honest signature it is refused; what the sender itself made of nothing has no envelope."""
    sample, honest = SAMPLES[case], SAMPLES[case].sealed()
    assert sample.refused(Claim(b"", honest.fields, AT, honest.via)) is not None


@EVERY
def test_a_resend_has_the_same_key_and_another_event_another(case: str) -> None:
    """WH-30: a new time and a new signature make no new event; another content does."""
    sample = SAMPLES[case]
    key = sample.open(sample.sealed()).key
    later = AT + timedelta(hours=1)
    assert sample.open(sample.sealed(at=later)).key == key
    if sample.scheme.signed_key or sample.is_form:
        return
    other = sample.content(AT)[:-1] + b', "more": 1}'
    assert sample.open(sample.sealed(other)).key != key


@EVERY
def test_no_unsigned_field_is_part_of_the_key(case: str) -> None:
    """WH-32: what isn't bound may be anything."""
    sample, honest = SAMPLES[case], SAMPLES[case].sealed()
    lines = [
        (name, "other.event") if (name, text) in sample.lines else (name, text)
        for name, text in honest.fields
    ]
    more = [
        ("X-Shopify-Shop-Domain", "other.example"),
        ("Linear-Delivery", "7"),
        ("X-Request-UUID", "9"),
    ]
    claim = Claim(honest.content, Fields([*lines, *more]), AT, honest.via)
    assert sample.open(claim).key == sample.open(honest).key


def test_a_scheme_that_owes_a_fact_opens_nothing_without_it() -> None:
    """Our URL, a pin: refused by open, and in no other way; a boundary isn't even declared."""
    for case, sample in SAMPLES.items():
        owed = [pin.name for pin in sample.scheme.pins if pin.is_owed]
        if not owed and not sample.scheme.signs_url:
            continue
        honest = sample.sealed()
        bare = type(sample)(sample.scheme, sample.content)
        refusal = bare.refused(honest)
        assert refusal is not None, case
        assert refusal.code == "undeclared"
        assert sample.refused(honest) is None


@pytest.mark.parametrize(
    "url",
    [
        "shop.example/hooks",
        "/hooks",
        "https:///hooks",
        "ftp://a.example/",
        "https://a.example:8443:443/",
        "https://a.example/?a={",
    ],
)
def test_a_url_that_is_none_is_a_mistake_of_the_declaration(url: str) -> None:
    """BoundaryError at import; `open` says "undeclared", and no defect of the scheme."""
    for case in ("twilio", "square", "hubspot", "contentful"):
        sample = SAMPLES[case]
        with pytest.raises(BoundaryError, match="absolute"):
            sample.scheme(secrets=sample.opening, url=url)
        with pytest.raises(Refused) as refused:
            sample.scheme.open(sample.sealed(), secrets=[sample.opening], url=url)
        assert refused.value.code == "undeclared"
        assert sample.scheme(secrets=sample.opening, url=sample.url).url == sample.url


def test_every_name_is_its_file_s() -> None:
    """One sender, one file: `x-twitter` in x_twitter.py."""
    for name in providers.names():
        assert providers.get(name.replace("-", "_")).name == name
