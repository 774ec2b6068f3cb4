"""Keys that a delivery names: asked for once, and bounded."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pratique import Obligation, Refused
from pratique.webhook import named_key
from pratique.webhook.named_key import ALLOWANCE, COOL_DOWN, REFILL, KeyWanted, NamedKeys
from tests.webhook.other_proofs import PAYPAL_URL


class Keys:
    """A source of keys that is counted, and its clock."""

    def __init__(
        self, answer: Callable[[str], Any] = lambda name: name.upper(), known: tuple[str, ...] = ()
    ) -> None:
        self.asked: list[str] = []
        self.now = 0.0
        self._answer = answer
        self.keys: NamedKeys[str] = NamedKeys(
            self.fetch, str, life=timedelta(seconds=100), known=known, clock=lambda: self.now
        )

    def fetch(self, name: str) -> Any:
        """Answer, and note for whom."""
        self.asked.append(name)
        return self._answer(name)

    def get(self, name: str) -> str:
        """Find a key as `open` does."""
        try:
            return self.keys.find(name)
        except KeyWanted as wanted:
            wanted.source.refresh(wanted.name)
            return self.keys.find(name)

    def code(self, name: str) -> str:
        """Return the code with which it isn't found, "" where it is."""
        try:
            self.get(name)
        except Refused as refused:
            return refused.code
        return ""


def test_a_key_is_asked_for_once_and_again_when_its_life_is_over() -> None:
    """Known names cost nothing; what was taken back is seen in the end."""
    keys = Keys()
    assert [keys.get("a") for _ in range(50)] == ["A"] * 50
    assert keys.asked == ["a"]
    keys.now = 101
    assert keys.get("a") == "A"
    assert keys.asked == ["a", "a"]


def test_a_flood_of_unknown_names_costs_a_few_looks_and_known_keys_go_on() -> None:
    """CWE-400: ten thousand names, no more looks than the allowance; then one in each period."""
    keys = Keys()
    keys.get("known")
    codes = {keys.code(f"unknown-{number}") for number in range(10_000)}
    assert codes == {"", "keys_unavailable"}
    assert len(keys.asked) == ALLOWANCE
    assert len(keys.keys._held) <= named_key.MOST_KEYS
    assert keys.get("known") == "KNOWN"
    keys.now += REFILL
    assert keys.code("later") == ""
    assert keys.code("later still") == "keys_unavailable"


@pytest.mark.parametrize("is_noted", [True, False])
def test_genuine_keys_of_others_push_none_out_that_has_held(is_noted: bool) -> None:
    """CWE-400: whoever names more of them than are kept, then unknown ones, costs us one look."""
    keys = Keys()
    keys.get("ours")
    if is_noted:
        keys.keys.note("ours")
    for number in range(named_key.MOST_KEYS):
        keys.now += REFILL
        assert keys.code(f"genuine-{number}") == ""
    for number in range(2 * ALLOWANCE):
        keys.code(f"unknown-{number}")
    assert keys.code("ours") == ("" if is_noted else "keys_unavailable")


def test_a_flood_before_the_first_delivery_puts_off_no_look_for_a_name_that_is_declared() -> None:
    """CWE-400: nothing has verified yet, and each unknown name comes twice; the twin isn't declared."""
    keys = Keys(lambda name: name if name in {"ours", "theirs"} else None, known=("ours",))
    for _ in range(2):
        for number in range(1000):
            keys.code(f"unknown-{number}")
    assert len(keys.asked) == ALLOWANCE + named_key.AGAIN
    assert keys.code("theirs") == "keys_unavailable"
    assert keys.code("ours") == ""


def test_a_declared_name_is_looked_for_though_looks_for_others_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A flood whose looks hang takes the places of unknown names alone."""
    monkeypatch.setattr(named_key, "WAIT", 0.02)
    release = threading.Event()

    def answer(name: str) -> str:
        if name != "ours":
            release.wait(30)
        return name

    keys = Keys(answer, known=("ours",))
    try:
        assert {keys.code(f"n{number}") for number in range(8)} == {"keys_unavailable"}
        monkeypatch.setattr(named_key, "WAIT", 30)
        assert keys.code("theirs") == "keys_unavailable"
        assert keys.code("ours") == ""
    finally:
        release.set()
        for thread in threading.enumerate():
            if thread.name == "pratique-keys":
                thread.join(5)


def test_a_name_that_comes_again_is_looked_for_where_a_flood_names_others_each_time() -> None:
    """An honest sender's name is turned away once; its next delivery has a share of its own."""
    keys = Keys(lambda name: name if name == "ours" else None)
    for number in range(1000):
        keys.code(f"unknown-{number}")
    assert keys.code("ours") == "keys_unavailable"
    for number in range(1000, 2000):
        assert keys.code(f"unknown-{number}") == "keys_unavailable"
    assert keys.code("ours") == ""


def test_a_name_without_a_key_isn_t_asked_for_again_at_once() -> None:
    """One look for as long as it cools down; after that the source may know it."""
    answers: dict[str, str] = {}
    keys = Keys(answers.get)
    assert [keys.code("a") for _ in range(20)] == ["unknown_key"] * 20
    assert keys.asked == ["a"]
    answers["a"] = "found"
    keys.now = COOL_DOWN
    assert keys.code("a") == ""


@pytest.mark.parametrize(
    "failure", [ValueError("x"), KeyError("x"), SystemExit(1), Refused, KeyboardInterrupt()]
)
def test_a_callable_that_raises_is_a_refusal(failure: Any) -> None:
    """Whatever it raises; the next one is told without a look, and another name is looked for."""

    def answer(name: str) -> str:
        if name == "good":
            return "key"
        if failure is Refused:
            raise Refused(Obligation.ALLOWED, "no", code="not_allowed")
        raise failure

    keys = Keys(answer)
    assert keys.code("a") == "keys_unavailable"
    # Not "unknown_key": SNS never sends again what is refused for good, and its key is a good one.
    assert keys.code("a") == "keys_unavailable"
    assert keys.asked == ["a"]
    assert keys.code("good") == ""


def test_a_callable_that_hangs_is_a_refusal_and_takes_few_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its threads are counted until they end: unknown names don't start one more each."""
    monkeypatch.setattr(named_key, "WAIT", 0.02)
    release = threading.Event()

    def answer(name: str) -> str:
        release.wait(30)
        return name

    keys = Keys(answer)
    assert {keys.code(f"n{number}") for number in range(12)} == {"keys_unavailable"}
    assert len(keys.asked) == named_key.MOST_RUNNING
    release.set()
    for thread in threading.enumerate():
        if thread.name == "pratique-keys":
            thread.join(5)
    assert keys.code("n0") == ""


def test_many_who_want_one_key_wait_for_one_look() -> None:
    """Single flight, on threads: some are told to come again, none looks too."""
    begun, release = threading.Event(), threading.Event()

    def answer(name: str) -> str:
        begun.set()
        release.wait(30)
        return name

    keys, codes = Keys(answer), list[str]()
    threads = [threading.Thread(target=lambda: codes.append(keys.code("a"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    begun.wait(5)
    release.set()
    for thread in threads:
        thread.join(10)
    assert set(codes) <= {"", "keys_unavailable"}
    assert "" in codes
    assert keys.asked == ["a"]


async def test_an_async_callable_is_awaited_on_the_loop_once_for_all() -> None:
    """Single flight, on an event loop; one request that is cancelled takes the look from nobody."""
    release = asyncio.Event()
    asked: list[str] = []

    async def answer(name: str) -> str:
        asked.append(name)
        await release.wait()
        return name.upper()

    keys: NamedKeys[str] = NamedKeys(answer, str, life=timedelta(hours=1))
    waiting = [asyncio.create_task(keys.arefresh("a")) for _ in range(40)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    release.set()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in told].count(type(None)) == 39
    assert asked == ["a"]
    assert keys.find("a") == "A"


async def test_a_sync_callable_serves_an_event_loop_from_a_thread_and_an_async_one_no_thread() -> (
    None
):
    """The sync one runs beside the loop; the async one behind `open` is refused, not forgotten."""
    sync: NamedKeys[str] = NamedKeys(str.upper, str, life=timedelta(hours=1))
    await sync.arefresh("a")
    assert sync.find("a") == "A"

    async def answer(name: str) -> str:
        return name

    keys: NamedKeys[str] = NamedKeys(answer, str, life=timedelta(hours=1))
    with pytest.raises(Refused) as refused:
        await asyncio.to_thread(keys.refresh, "a")
    assert "async" in refused.value.detail


def test_no_text_holds_a_name() -> None:
    """Law 5: names come from whoever sends."""
    keys = Keys(lambda _name: None)
    with pytest.raises(Refused) as refused:
        keys.get(PAYPAL_URL)
    assert PAYPAL_URL not in str(refused.value) + repr(keys.keys) + refused.value.hint
