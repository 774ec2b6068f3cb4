"""An issuer's keys, fetched: who waits, how often it is asked, and what happens while it is away."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pratique.core.claim import Fields
from pratique.core.obligation import AUTHENTIC
from pratique.core.proofs.authentic.jwt import verify_token
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.keys import Jwks, remote
from pratique.keys.jwks import DEFAULT_FRESH, MAX_FRESH, MIN_FRESH, fresh_for
from pratique.keys.remote import BURST, COOL_DOWN, HARD_LIMIT, MAX_ABSENT, MAX_WAITING
from tests.fetch.world import World, reply
from tests.keys.issuer import (
    JWKS,
    NOW,
    URL,
    Clock,
    Door,
    Issuer,
    door,
    fetching,
    jwk,
    landed,
    policy,
    signed,
    unknown,
)

COOL = COOL_DOWN.total_seconds()
STRANGERS = [jwk("stranger-1", Ed25519PrivateKey.generate())]


def refusal(http: Door, token: str) -> Refused:
    """Return why a token is refused."""
    with pytest.raises(Refused) as refused:
        http.ask(token)
    return refused.value


class Case:
    """An issuer with the key "a", our door, and a clock."""

    def __init__(self, world: World, **timing: Any) -> None:
        self.clock = Clock()
        self.issuer = Issuer(world.server, "a")
        fetch = fetching()
        self.keys = Jwks(URL, fetch=fetch, clock=self.clock, **timing)
        self.door = door(self.keys, fetch)

    def start(self) -> None:
        self.door.perimeter.start()

    def close(self) -> None:
        self.issuer.goes_on.set()
        landed(self.keys)
        self.door.perimeter.close()


@pytest.fixture
def case(world: World) -> Any:
    """Give a case that is started, its keys not yet fetched."""
    made = Case(world)
    made.start()
    yield made
    made.close()


def test_the_first_token_has_the_keys_fetched_once(case: Case) -> None:
    """Nothing is asked at import or start; the first token asks, the second doesn't."""
    assert case.issuer.asked == 0
    assert case.door.ask(case.issuer.token("a")) == "Ann"
    assert case.door.ask(case.issuer.token("a", sub="bob")) == "Bob"
    assert case.issuer.asked == 1


async def test_the_event_loop_does_it_too(case: Case) -> None:
    """The same on asyncio."""
    assert await case.door.aask(case.issuer.token("a")) == "Ann"
    assert case.issuer.asked == 1


def test_attached_it_begins_warm(world: World) -> None:
    """perimeter.attach: the start has them fetched beside it, and no token waits."""
    case = Case(world)
    case.door.perimeter.attach(case.keys)
    case.start()
    landed(case.keys)
    assert case.issuer.asked == 1
    assert verify_token(case.issuer.token("a"), policy(case.keys), at=NOW).subject == "ann"
    case.clock.now += 90
    age, *fetches = case.keys.samples()
    assert (age.name, age.value) == ("pratique_jwks_age_seconds", 90)
    counted = {sample.labels["outcome"]: sample.value for sample in fetches}
    assert counted == {"succeeded": 1, "failed": 0}
    case.close()


def test_an_issuer_that_rolls_its_keys_is_asked_anew(case: Case) -> None:
    """A kid that isn't known yet: one more fetch; the key that is gone verifies no longer."""
    old = case.issuer.token("a")
    assert case.door.ask(old) == "Ann"
    case.issuer.rotate("b")
    assert case.door.ask(case.issuer.token("b")) == "Ann"
    assert case.issuer.asked == 2
    assert refusal(case.door, old).code == "unknown_key"


def test_a_name_sent_in_advance_does_not_keep_the_honest_one_out(case: Case) -> None:
    """SV-25: a stranger names the key of tomorrow; then the issuer rolls to it, and its token passes at once."""
    assert case.door.ask(case.issuer.token("a")) == "Ann"
    later = Ed25519PrivateKey.generate()
    honest = signed(later, "next")
    assert refusal(case.door, honest).code == "unknown_key"
    case.issuer.keys["next"] = later
    assert case.door.ask(honest) == "Ann"
    assert case.issuer.asked == 3


def test_after_a_burst_of_strangers_the_honest_one_waits_one_cool_down(case: Case) -> None:
    """SV-25: strangers have used up every look: the honest client is asked to come back, and passes then."""
    case.door.ask(case.issuer.token("a"))
    for number in range(20):
        refusal(case.door, unknown(number))
    assert case.issuer.asked == BURST
    case.issuer.rotate("a", "next")
    honest = case.issuer.token("next")
    told = refusal(case.door, honest)
    assert (told.obligation, told.code, told.answer) == (
        AUTHENTIC,
        "keys_unavailable",
        Answer.RETRY,
    )
    assert told.retry_after is not None
    assert told.retry_after <= COOL_DOWN
    case.clock.now += told.retry_after.total_seconds()
    assert case.door.ask(honest) == "Ann"


def test_a_name_that_was_looked_for_is_simply_unknown(case: Case) -> None:
    """While nothing may be asked, a name of the last look is refused for good, a new one is told to come back."""
    case.door.ask(case.issuer.token("a"))
    for number in range(1, BURST):
        refusal(case.door, unknown(number))
    assert refusal(case.door, unknown(BURST - 1)).code == "unknown_key"
    assert refusal(case.door, unknown(99)).code == "keys_unavailable"
    assert refusal(case.door, unknown(99)).status == 503


def test_names_that_are_remembered_are_bounded(case: Case) -> None:
    """A stranger fills no memory; a fetch forgets them all; a name of 300 characters isn't even looked for."""
    case.door.ask(case.issuer.token("a"))
    asked = case.issuer.asked
    case.keys._absent |= {f"name-{number}" for number in range(MAX_ABSENT)}
    refusal(case.door, unknown(1))
    assert len(case.keys._absent) == 1
    case.keys.refresh("n" * 300)
    assert case.issuer.asked == asked + 1
    case.keys._absent |= {f"name-{number}" for number in range(MAX_ABSENT)}
    before = len(case.keys._absent)
    case.keys._land(remote._Flight(0), "one more", "")
    assert len(case.keys._absent) == before


async def test_strangers_at_a_stalled_issuer_keep_nobody_waiting(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 unknown kids while the issuer stalls: one fetch, and every token of a known key passes meanwhile."""
    monkeypatch.setattr(remote, "WAIT", 60.0)
    known = case.issuer.token("a")
    await case.door.aask(known)
    asked = case.issuer.asked
    case.issuer.was_asked.clear()
    case.issuer.goes_on.clear()
    case.issuer.answer = lambda seen: reply(503)
    order: list[str] = []

    async def stranger(number: int) -> None:
        with pytest.raises(Refused) as refused:
            await case.door.aask(unknown(number))
        assert refused.value.code == "keys_unavailable"
        order.append("stranger")

    strangers = [asyncio.create_task(stranger(number)) for number in range(200)]
    assert await asyncio.to_thread(case.issuer.was_asked.wait, 20)
    for _ in range(20):
        assert await case.door.aask(known) == "Ann"
        order.append("known")
    case.issuer.goes_on.set()
    await asyncio.gather(*strangers)
    assert order == ["known"] * 20 + ["stranger"] * 200
    assert case.issuer.asked == asked + 1
    assert refusal(case.door, unknown(300)).code == "keys_unavailable"
    assert case.issuer.asked == asked + 1  # a failure has its cool-down too
    assert case.door.ask(known) == "Ann"


def test_strangers_take_few_threads(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """On threads, four wait for a fetch that stalls; the others are sent away at once."""
    monkeypatch.setattr(remote, "WAIT", 60.0)
    known = case.issuer.token("a")
    case.door.ask(known)
    case.issuer.goes_on.clear()
    case.issuer.answer = lambda seen: reply(503)
    with ThreadPoolExecutor(MAX_WAITING + 1) as threads:
        waiting = [threads.submit(refusal, case.door, unknown(n)) for n in range(30)]
        while sum(one.done() for one in waiting) < 30 - MAX_WAITING:
            assert threads.submit(case.door.ask, known).result(20) == "Ann"
        case.issuer.goes_on.set()
        assert {one.result(20).code for one in waiting} == {"keys_unavailable"}
    assert case.issuer.asked == 2


def test_a_fetch_in_time_keeps_nobody_waiting(case: Case) -> None:
    """The timer: keys that are due are fetched beside the request, which has the present ones."""
    known = case.issuer.token("a")
    case.door.ask(known)
    case.issuer.rotate("a", "b")
    case.issuer.goes_on.clear()
    case.issuer.was_asked.clear()
    case.clock.now += DEFAULT_FRESH.total_seconds() + 1
    assert [case.door.ask(known) for _ in range(5)] == ["Ann"] * 5
    assert case.issuer.was_asked.wait(20)
    case.issuer.goes_on.set()
    landed(case.keys)
    assert case.keys.current.find("b") is not None
    assert case.issuer.asked == 2


def test_keys_last_while_the_issuer_is_away_up_to_the_hard_limit(case: Case) -> None:
    """Stale if error, then fail closed; when it is back, its token passes again."""
    known = case.issuer.token("a", exp=int(NOW.timestamp()) + 10)
    case.door.ask(known)
    case.issuer.answer = lambda seen: reply(500)
    limit = HARD_LIMIT.total_seconds()
    for _ in range(4):
        case.clock.now += limit / 4 - 1
        assert case.door.ask(known) == "Ann"
        landed(case.keys)
    case.clock.now += 5
    assert refusal(case.door, known).code == "keys_unavailable"
    assert case.keys.current.keys == ()
    case.issuer.answer = case.issuer.publish
    case.clock.now += 301
    assert case.door.ask(known) == "Ann"


@pytest.mark.parametrize(
    "answer",
    [
        reply(500),
        reply(503, json.dumps({"keys": STRANGERS}).encode(), Content_Type=JWKS),
        reply(404, b"{}", Content_Type="application/json"),
        reply(200, b"<html>", Content_Type="text/html"),
        reply(200, b'{"keys": []}', Content_Type="text/plain"),
        reply(200, b"garbage", Content_Type=JWKS),
        reply(200, b"", Content_Type=JWKS),
        reply(200, b"[]", Content_Type=JWKS),
        reply(200, b'{"keys": []}', Content_Type=JWKS),
        reply(200, b'{"keys": {}}', Content_Type=JWKS),
        reply(200, b'{"keys": [{"kty": "none"}]}', Content_Type=JWKS),
        reply(200, b'{"keys": [], "keys": []}', Content_Type=JWKS),
        reply(200, b'{"keys": [1]}' + b" " * 300_000, Content_Type=JWKS),
        reply(
            200, json.dumps({"keys": [{"kty": "x"}] * 100 + STRANGERS}).encode(), Content_Type=JWKS
        ),
        reply(
            200,
            json.dumps({"keys": [{"kty": "oct", "k": "c2Vj" * 20, "kid": "stranger-1"}]}).encode(),
            Content_Type=JWKS,
        ),
        reply(302, b"", Location="https://evil.test/jwks"),
    ],
)
def test_an_answer_that_holds_nothing_leaves_the_keys_as_they_are(
    case: Case, answer: bytes
) -> None:
    """Garbage, another type, another place, a set of none or of secrets: refused with "retry", the last keys stay."""
    known = case.issuer.token("a")
    case.door.ask(known)
    case.issuer.answer = lambda seen: answer
    assert refusal(case.door, unknown(1)).code == "keys_unavailable"
    assert case.door.ask(known) == "Ann"
    case.issuer.answer = case.issuer.publish
    case.clock.now += COOL
    assert refusal(case.door, unknown(1)).code == "unknown_key"


def test_failures_in_a_row_lengthen_the_pause(case: Case) -> None:
    """10, 20, 40 s … at most 5 minutes: an issuer in trouble isn't asked more by us."""
    case.issuer.answer = lambda seen: reply(500)
    pauses = []
    for _ in range(7):
        told = refusal(case.door, unknown(1))
        assert told.retry_after is not None
        pauses.append(told.retry_after.total_seconds())
        case.clock.now += told.retry_after.total_seconds()
    assert pauses == [10, 20, 40, 80, 160, 300, 300]
    assert case.issuer.asked == 7


def test_a_key_nobody_can_use_is_passed_over(case: Case) -> None:
    """An issuer publishes keys for other purposes too; the usable ones serve."""
    listed = [jwk("a", case.issuer.keys["a"]), {"kty": "RSA", "use": "enc"}, {"kty": "new"}]
    content = json.dumps({"keys": listed}).encode()
    case.issuer.answer = lambda seen: reply(200, content, Content_Type="application/json")
    assert case.door.ask(case.issuer.token("a")) == "Ann"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], DEFAULT_FRESH),
        ([("Cache-Control", "public, max-age=1200")], timedelta(seconds=1200)),
        ([("Cache-Control", "max-age=1200"), ("Age", "600")], timedelta(seconds=600)),
        ([("Cache-Control", "max-age=31536000")], MAX_FRESH),
        ([("Cache-Control", "max-age=0")], MIN_FRESH),
        ([("Cache-Control", "no-store, max-age=900")], MIN_FRESH),
        ([("Cache-Control", "s-maxage=900")], DEFAULT_FRESH),
        ([("Cache-Control", "max-age=-1")], DEFAULT_FRESH),
        ([("Cache-Control", "max-age=900"), ("Cache-Control", "max-age=120")], timedelta(0, 120)),
        ([("Cache-Control", "max-age=900"), ("Age", "²")], timedelta(seconds=900)),
    ],
)
def test_max_age_counts_between_our_bounds(
    fields: list[tuple[str, str]], expected: timedelta
) -> None:
    """Neither a year nor zero; RFC 9111."""
    assert fresh_for(Fields(fields)) == expected


def test_the_same_keys_stay_the_same_object(case: Case) -> None:
    """A fetch that brings nothing new costs no verifier its memory of headings."""
    case.door.ask(case.issuer.token("a"))
    before = case.keys.current
    refusal(case.door, unknown(1))
    assert case.keys.current is before
    case.issuer.rotate("a", "b")
    case.door.ask(case.issuer.token("b"))
    assert case.keys.current is not before


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_fetches_by_itself(case: Case) -> None:
    """A fork while a fetch is under way and the lock is held: the child waits for neither."""
    known = case.issuer.token("a")
    case.issuer.goes_on.clear()
    case.door.perimeter.attach(case.keys)
    assert case.keys._flight is not None
    case.keys._lock.acquire()
    child = os.fork()
    if child == 0:  # no assertion leaves a child: its code says how it went
        is_anew = case.keys._flight is None and case.keys._lock.acquire(blocking=False)
        os._exit(0 if is_anew else 1)
    case.keys._lock.release()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    case.issuer.goes_on.set()
    assert case.door.ask(known) == "Ann"


@pytest.mark.parametrize(
    "url",
    ["http://issuer.test/jwks", "ftp://x", "https://", "https://a@b/", "https://a/?q", "", "x"],
)
def test_a_place_of_keys_is_https(url: str) -> None:
    """A place that somebody in between can answer for isn't one; http on this machine is for tests."""
    with pytest.raises(BoundaryError):
        Jwks(url, fetch=fetching())
    Jwks("https://issuer.test/jwks", fetch=fetching())
    Jwks("http://127.0.0.1:8080/jwks", fetch=fetching())


def test_periods_are_above_zero() -> None:
    """A limit of zero would be none."""
    for wrong in ({"hard_limit": timedelta(0)}, {"cool_down": timedelta(0)}):
        with pytest.raises(BoundaryError):
            Jwks(URL, fetch=fetching(), **wrong)  # type: ignore[arg-type]


async def test_a_request_waits_no_longer_than_it_may(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch goes on; who waits for it is told to come back, on a thread and on the event loop."""
    case.issuer.goes_on.clear()
    monkeypatch.setattr(remote, "WAIT", 0.001)
    token = case.issuer.token("a")
    for refused in (
        await asyncio.to_thread(refusal, case.door, token),
        (await asyncio.gather(case.door.aask(token), return_exceptions=True))[0],
    ):
        assert isinstance(refused, Refused)
        assert refused.code == "keys_unavailable"
    case.issuer.goes_on.set()
    await asyncio.to_thread(landed, case.keys)
    assert await case.door.aask(token) == "Ann"
    assert case.issuer.asked == 1


def test_a_fetch_that_is_lost_is_given_up(case: Case) -> None:
    """It may say nothing for ever: another one is begun, and what the lost one brings late changes nothing."""
    case.issuer.goes_on.clear()
    case.keys.started(None)  # type: ignore[arg-type]
    lost = case.keys._flight
    assert lost is not None
    assert case.issuer.was_asked.wait(20)
    case.clock.now += remote.LOST
    case.keys.started(None)  # type: ignore[arg-type]
    assert case.keys._flight is not lost
    case.issuer.goes_on.set()
    landed(case.keys)
    lost.done.result(20)
    assert case.keys.current.find("a") is not None
    assert [sample.value for sample in case.keys.samples()] == [0, 1, 0]


def test_no_thread_is_no_key(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be had (the interpreter ends) the token is refused, and passes when there is one."""

    class Never:
        def __init__(self, **named: Any) -> None: ...

        def start(self) -> None:
            raise RuntimeError

    token = case.issuer.token("a")
    with monkeypatch.context() as patch:
        patch.setattr(remote, "Thread", Never)
        assert refusal(case.door, token).code == "keys_unavailable"
    case.clock.now += COOL
    assert case.door.ask(token) == "Ann"


@pytest.mark.parametrize("error", [ValueError("no text of it leaves"), SystemExit(1)])
def test_whatever_a_fetcher_raises_the_keys_stay(world: World, error: BaseException) -> None:
    """A fetcher that breaks is an issuer that is away; the next one serves."""

    class Breaks:
        def get(self, url: str, *, fields: Any = ()) -> Any:
            raise error

    keys = Jwks(URL, fetch=Breaks(), clock=(clock := Clock()))
    with pytest.raises(Refused) as refused:
        keys.refresh("a")
    assert refused.value.code == "keys_unavailable"
    assert "no text" not in str(refused.value)
    assert repr(keys) == f"Jwks({URL!r})"
    fetch = fetching()
    issuer = Issuer(world.server, "a")
    door(keys, fetch).perimeter.start()
    keys._fetch = fetch
    clock.now += COOL
    keys.refresh("a")
    keys.refresh("a")  # found: nobody is asked again
    assert issuer.asked == 1
    assert fetch.perimeter is not None
    fetch.perimeter.close()


def test_a_verifier_takes_no_lock_that_a_fetch_may_hold(case: Case) -> None:
    """Keys that are due while somebody holds the lock: the present ones serve, and nobody waits."""
    known = case.issuer.token("a")
    case.door.ask(known)
    case.clock.now += DEFAULT_FRESH.total_seconds() + 1
    with case.keys._lock:
        assert case.door.ask(known) == "Ann"
    assert case.issuer.asked == 1


def test_whoever_asks_again_is_told_why_there_are_no_keys() -> None:
    """A fetch that was never declared says so, at once and to who comes after; an error of others says its type alone."""
    undeclared = Jwks(URL, fetch=fetching(), clock=Clock())
    for _ in range(BURST + 1):
        with pytest.raises(Refused) as refused:
            undeclared.refresh("a")
        assert "hasn't started: nothing crosses" in refused.value.detail
    assert "a moment ago, and the answer was: " in refused.value.detail
