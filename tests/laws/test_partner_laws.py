"""Laws of the partner boundary, by Hypothesis, on real sockets: whatever a partner says, it is proven or refused."""

import json
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pratique import LATER, Perimeter
from pratique.core.refusal import BoundaryError, Refused
from pratique.fetch import FetchPolicy
from pratique.partner import NoSubject, Partner
from tests.fetch.world import World, quiet, reply, small_internet
from tests.partner.risk import HONEST, HOST, KEY, ORDER, Risk, Score

RUNS = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
MARKS = st.text("ghjkmnpqrstuvwxyz", min_size=14, max_size=20)
BASE = f"https://{HOST}/v1"
ABOUT = {"order": "order"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give one small internet for all examples."""
    folder: Path = tmp_path_factory.mktemp("ca")
    with pytest.MonkeyPatch.context() as patch, quiet(), small_internet(patch, folder) as world:
        yield world


@pytest.fixture
def world(small: World) -> World:
    """Give the small internet as it was at first."""
    small.names, small.server.raw, small.server.answer = {}, None, lambda _: reply()
    small.touched.clear()
    small.server.seen.clear()
    return small


@pytest.fixture
def risks(world: World) -> list[Risk]:
    """Give the boundary, asked sync and async."""
    made = [Risk(world, is_async=is_async) for is_async in (False, True)]
    made[0].answers()
    return made


def found(risk: Risk, **terms: Any) -> Score | Refused:
    """Ask; whatever else than a proven answer or a refusal comes out fails the test."""
    try:
        return risk.ask(**terms)
    except Refused as refused:
        return refused


def agreed(risks: list[Risk], **terms: Any) -> Score | Refused:
    """Ask both ways and find the same."""
    both = [found(risk, **terms) for risk in risks]
    told = [(b.obligation, b.code) if isinstance(b, Refused) else b for b in both]
    assert told[0] == told[1], told
    return both[0]


def texts(risk: Risk, refused: Refused) -> str:
    """Return everything that is told of a refusal, to whomever."""
    told = [repr(refused), str(refused), str(refused.problem()), *map(repr, risk.records)]
    return " ".join(told + traceback.format_exception(refused))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
CHANGED = st.dictionaries(
    st.sampled_from([*HONEST, "error", "role", "sc\u00f6re"]), VALUES, max_size=3
).map(lambda changed: json.dumps({**HONEST, **changed}).encode())
CONTENTS = st.one_of(
    st.binary(max_size=60),
    VALUES.map(lambda value: json.dumps(value).encode()),
    CHANGED,
    st.builds(lambda raw, at: raw[:at] + b'"' + raw[at:], CHANGED, st.integers(0, 60)),
)


@RUNS
@given(content=CONTENTS)
@example(content=b'{"order":"o_1","score":12,"verdict":"approve","score":13}')
@example(content=b'{"order":"o_1","score":12,"verdict":"approve","a":' + b'{"a":' * 500)
@example(content=b'{"order":"o_1","score":12.0,"verdict":"approve"}')
def test_any_content_is_proven_or_refused(world: World, risks: list[Risk], content: bytes) -> None:
    """Laws 1 and 3; what is proven is within its bounds and about what was asked; the twin is honest."""
    risks[0].answers(content)
    answer = agreed(risks)
    if isinstance(answer, Score):
        assert answer.order == ORDER
        assert 0 <= answer.score <= 100
        assert answer.verdict in ("approve", "review", "decline")
    risks[0].answers()
    assert isinstance(agreed(risks), Score)


LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                b"Content-Type: application/json",
                b"Content-Type: application/json; charset=latin1",
                b"Content-Encoding: gzip",
                b"Content-Length: 3",
                b"Retry-After: -1",
                b"Retry-After: \xb2",
                b"Location: http://127.0.0.1/",
                b"Transfer-Encoding: chunked",
            ]
        ),
        st.binary(max_size=20),
    ),
    max_size=4,
)


@RUNS
@given(status=st.integers(0, 999), lines=LINES)
@example(status=302, lines=[b"Location: https://risk.example/v1/other"])
@example(status=429, lines=[b"Retry-After: 99999999999999999999"])
def test_any_answer_is_proven_or_refused(
    world: World, risks: list[Risk], status: int, lines: list[bytes]
) -> None:
    """Laws 1 and 3, over status and fields; the key goes to the partner alone."""
    head = b"\r\n".join([b"HTTP/1.1 %03d X" % status, *lines])
    content = json.dumps(HONEST).encode()
    world.server.raw = lambda connection: connection.sendall(head + b"\r\n\r\n" + content)
    answer = agreed(risks)
    assert isinstance(answer, Refused) or status in (200, 201, 202)
    assert {seen.fields["host"] for seen in world.server.seen} == {HOST}
    assert len(set(world.touched)) == 1
    world.server.raw = None
    risks[0].answers()
    assert isinstance(agreed(risks), Score)


@RUNS
@given(order=st.text(max_size=20))
@example(order="../admin")
@example(order="a%2f..%2fadmin")
@example(order="\ud800")
def test_any_value_stays_in_its_place(world: World, order: str) -> None:
    """Law 1: whatever an id holds, one segment of our own path is asked, or nothing (CWE-22)."""
    risk = Risk(world, is_async=False)
    call = risk.partner.call("GET /orders/{order}/score", Score, about=ABOUT)
    risk.answers({**HONEST, "order": order.encode("utf-8", "replace").decode()})
    for asked in (
        {"values": {"order": order}},
        {"values": {"order": ORDER}, "params": {"a": order}},
    ):
        with suppress(Refused):
            risk.call(call, **asked)
    for seen in world.server.seen:
        assert seen.target.startswith("/v1/orders/")
        path, _, query = seen.target.partition("?")
        assert path.endswith("/score")
        assert path.count("/") == 4
        assert query.count("&") == 0
    world.server.seen.clear()
    risk.answers()
    assert risk.call(call, values={"order": ORDER}).score == 12


@settings(RUNS, max_examples=8)
@given(mark=MARKS)
def test_nothing_unproven_is_told(world: World, risks: list[Risk], mark: str) -> None:
    """Law 5: neither what a partner says nor our key is in a refusal, its causes or its record."""
    for content, lines in (
        (f'{{"order": "{mark}", "score": 1, "verdict": "approve"}}', {}),
        (f'{{"order": "o_1", "score": "{mark}", "verdict": "approve"}}', {}),
        (f'{{"order": "o_1", "score": 1, "verdict": "{mark}"}}', {}),
        (f'{{"order": "o_1", "score": 1, "verdict": "approve", "as_of": "{mark}"}}', {}),
        (f'{{"order": "o_1", "score": 1, "{mark}": {mark}}}', {}),
        (mark, {}),
        (mark, {"Content_Type": mark}),
        (mark, {"Content_Type": f"application/json; charset={mark}"}),
        (mark, {"Content_Encoding": mark}),
        (f'"{KEY}{mark}"', {}),
        ("", {"Content_Length": mark}),
    ):
        risks[0].answers(content.encode(), **lines)
        for risk in risks:
            refused = found(risk)
            assert isinstance(refused, Refused), content
            assert mark not in texts(risk, refused), content
            assert KEY not in texts(risk, refused)
    risks[0].answers()
    assert isinstance(agreed(risks), Score)


ROLES = ["about", "limits", "as_of", "confirm"]
ERRORS = [ValueError, KeyError, RecursionError, OSError, BoundaryError, StopIteration, TimeoutError]


def terms_with(role: str, call: Any) -> dict[str, Any]:
    """Return the terms of a question in which one callable is that."""
    return {role: call, **({"max_age": timedelta(days=1)} if role == "as_of" else {})}


NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HONEST_CALLS: dict[str, Any] = {"as_of": lambda score: NOON}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("error", ERRORS)
def test_a_callable_that_raises_refuses(world: World, role: str, error: Any) -> None:
    """Law 2: whatever is raised is a refusal, and its text isn't told; in its place, a yes is believed."""
    risks = [Risk(world, is_async=is_async, clock=lambda: NOON) for is_async in (False, True)]
    risks[0].answers()

    def raises(_: object) -> Any:
        raise error(KEY)

    refused = agreed(risks, **terms_with(role, raises))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.status) == ("internal", 503)
    assert KEY not in f"{refused}{refused!r}{refused.problem()}{risks[0].records!r}"
    yes = HONEST_CALLS.get(role, lambda _: True)
    assert isinstance(agreed(risks, **terms_with(role, yes)), Score)


@pytest.mark.parametrize("role", ROLES)
def test_a_callable_that_hangs_refuses(world: World, role: str) -> None:
    """Law 2: what comes back after the deadline is not believed; the same in time is."""
    given_: dict[str, Any] = {"clock": lambda: NOON, "deadline": timedelta(seconds=0.3)}
    risks = [Risk(world, is_async=is_async, **given_) for is_async in (False, True)]
    risks[0].answers()
    end = Event()
    yes = HONEST_CALLS.get(role, lambda _: True)
    hangs = [True]

    def slow(score: Score) -> Any:
        if hangs:
            end.wait(0.6)
        return yes(score)

    refused = agreed(risks, **terms_with(role, slow))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.answer) == ("fetch_deadline", "retry")
    hangs.clear()
    assert isinstance(agreed(risks, **terms_with(role, slow)), Score)


@pytest.mark.parametrize("role", ["about", "limits", "confirm"])
@pytest.mark.parametrize(
    "told", [None, False, 1, "yes", [True], pytest.param(object(), id="an object"), LATER], ids=repr
)
def test_only_true_is_a_yes(world: World, risks: list[Risk], role: str, told: Any) -> None:
    """Law 6: nothing and a truthy word are no yes."""
    assert isinstance(agreed(risks, **{role: lambda _: told}), Refused)
    assert isinstance(agreed(risks, **{role: lambda _: True}), Score)


@RUNS
@given(asked=st.text("ab", min_size=1, max_size=3), told=st.text("ab", min_size=1, max_size=3))
def test_an_answer_is_about_what_was_asked_alone(
    world: World, risks: list[Risk], asked: str, told: str
) -> None:
    """Law 1 of `linked`: believed exactly where both are equal."""
    risks[0].answers({**HONEST, "order": told})
    assert isinstance(agreed(risks, order=asked), Score) == (asked == told)


@pytest.mark.parametrize(
    "declare",
    [
        lambda: Partner("risk", ""),
        lambda: Partner("risk", BASE, policy=FetchPolicy(hosts=set())),
        lambda: Partner("risk", BASE, deadline=timedelta(0)),
        lambda: Partner("risk", BASE).call("", Score, about=ABOUT),
        lambda: Partner("risk", BASE).call("GET ", Score, about=ABOUT),
        lambda: Partner("risk", BASE).call("GET /score", Score, about={}),
        lambda: Partner("risk", BASE).call("GET /score", Score, about=NoSubject("")),
        lambda: Partner("risk", BASE).call("GET /score", dict, about=ABOUT),
        lambda: Partner("risk", BASE).call("GET /score", Score, about=ABOUT, max_age=timedelta(0)),
        Perimeter().declare(Partner("risk", BASE, bearer="")).perimeter.start,
    ],
)
def test_empty_is_never_unset(declare: Any) -> None:
    """Law 6: no name, base, host, path, comparison, type or key: said where it is written, or at the start."""
    with pytest.raises(BoundaryError):
        declare()
    assert Partner("risk", BASE).call("GET /score", Score, about=ABOUT).name == "GET /score"
