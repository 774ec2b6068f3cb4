"""A short run of the fuzz of `open` and `answer`; the long one is python -m tests.faults.fuzz_webhooks --seconds 300."""

from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from msgspec.structs import replace as replaced

from pratique import Claim, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Opened
from tests.faults.delivery_mill import Shown, deliveries
from tests.faults.delivery_parties import CLASSES
from tests.faults.delivery_readers import reader_of, takes
from tests.faults.fuzz_webhooks import WebhookFigures, look, our_answer, ours, run

SECONDS = 2
EVERY = pytest.mark.parametrize("kind", CLASSES)
LIBRARIES = [
    name for names in CLASSES.values() for name in names if reader_of(name) and name != "braintree"
]
ignored = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::SyntaxWarning")


def test_every_sender_is_in_a_class() -> None:
    """A new one owes its place here."""
    listed = {name.partition(" ")[0] for names in CLASSES.values() for name in names}
    assert listed - {"generic"} == set(providers.names())


@ignored
@EVERY
def test_nothing_but_refused_leaves_and_what_opens_is_what_was_signed(kind: str) -> None:
    """No disagreement in two seconds; honest ones open, changed ones too, and most are refused."""
    found = run(kind, 20261126, seconds=SECONDS)
    assert found.told == []
    assert found.honest > 0
    assert found.changed.total() > 0
    assert found.refused.total() > 0


def honest_ones(kind: str, name: str) -> Shown:
    """Return an honest delivery of a sender."""
    return next(
        shown for shown in deliveries(kind, 7) if not shown.how and shown.party.name == name
    )


@ignored
@pytest.mark.parametrize("name", sorted(set(LIBRARIES)))
def test_every_library_is_asked(name: str) -> None:
    """Each takes an honest delivery, so that its silence means something, and refuses a changed one."""
    kind = next(kind for kind, names in CLASSES.items() if name in names)
    honest = honest_ones(kind, name)
    was = honest.claim
    assert takes(honest) == ""
    changed = was.content.replace(b'"', b"'") if name != "twilio" else was.content + b"1"
    assert takes(replace(honest, claim=replaced(was, content=changed)))
    assert takes(
        replace(honest, claim=Claim(was.content, type(was.fields)(), was.received_at))
    ) or (name in ("adyen", "mailgun"))


def _lenient(shown: Shown) -> Opened:
    """Open whatever comes, as if it were the honest one."""
    return ours(replace(shown, claim=shown.twin, secrets=shown.party.secrets, url=shown.party.url))


def _crashing(shown: Shown) -> Opened:
    """Raise what a reader of hostile bytes raises."""
    try:
        return ours(shown)
    except Refused:
        shown.claim.content.decode("ascii")
        raise


def _with_a_key_of_its_own(shown: Shown) -> Opened:
    """Take the key from what isn't signed: every field that came."""
    opened = ours(shown)
    return replaced(opened, key=repr(list(shown.claim.fields)).encode())


@ignored
@pytest.mark.parametrize(
    ("judge", "sentence"),
    [
        (_lenient, "what the sender signs differs"),
        (_crashing, "UnicodeDecodeError"),
        (_with_a_key_of_its_own, "its key isn't that"),
    ],
)
@pytest.mark.parametrize("kind", ["hmac-body", "id-time"])
def test_an_opener_that_lets_too_much_through_is_found(
    kind: str, judge: object, sentence: str
) -> None:
    """The laws bite: an unbound content, a crash, a key of unsigned fields. The twin is open itself."""
    found = run(kind, 5, count=1500, judge=judge)  # type: ignore[arg-type]
    assert any(sentence in told for told in found.told)
    assert of_open_itself(kind).told == []


@cache
def of_open_itself(kind: str) -> WebhookFigures:
    """Return what the same run finds at `open`."""
    return run(kind, 5, count=1500)


@ignored
def test_a_handshake_that_signs_whatever_it_is_asked_is_found() -> None:
    """The law bites: an answer that holds more than an opaque token. The twin is answer itself."""

    def oracle(shown: Shown) -> bytes:
        try:
            return our_answer(shown)
        except Refused as refused:
            if refused.code != "bad_challenge":
                raise
            return b"<script>" + shown.claim.content

    found = run("challenge", 5, count=300, answer=oracle)
    assert any("more than an opaque token" in told for told in found.told)
    assert run("challenge", 5, count=300).told == []


def test_an_honest_delivery_that_is_refused_is_found() -> None:
    """A wall opens nothing; its twin opens it."""

    def wall(shown: Shown) -> Opened:
        return ours(replace(shown, secrets=()))

    honest = honest_ones("hmac-time", "stripe")
    for judge, wrong in ((wall, 1), (ours, 0)):
        found = WebhookFigures()
        look(honest, found, judge)
        assert found.wrong == wrong


def test_one_seed_makes_one_run() -> None:
    """What was found can be found again, at the same time."""

    def made(seed: int) -> list[tuple[bytes, tuple[str, ...]]]:
        told = islice(deliveries("hmac-body", seed, lambda: 1.8e9), 400)
        return [(shown.claim.content, shown.how) for shown in told]

    assert made(7) == made(7)
    assert made(7) != made(8)
