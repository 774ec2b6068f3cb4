"""A remote decision point allows by a decision that is exactly true, and by nothing else that it does."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.claim import Fields
from pratique.core.decision import Decision
from pratique.core.obligation import ALLOWED
from pratique.core.refusal import Answer, BoundaryError, Refused
from pratique.fetch import Fetch
from pratique.policy import AsyncAuthZenPolicy, AuthZenPolicy, DecisionCache, Named
from pratique.policy.evaluation import read_decision, read_decisions
from tests.policy.pdp import Point, Reply, decision_point, fetch_to

YES = b'{"decision": true}'
ASKED = ("ann", "read", 10)


def decide(asked: dict[str, Any]) -> dict[str, Any]:
    """Decide by a rule of this test: who owns it may."""
    is_owner = asked["resource"].get("properties", {}).get("owner") == asked["subject"]["id"]
    return {"decision": is_owner, "context": {"reason_admin": {"en": "ownership"}}}


@pytest.fixture
def point() -> Iterator[Point]:
    """Give a decision point."""
    with decision_point(decide) as made:
        yield made


@pytest.fixture
async def fetch(point: Point) -> AsyncIterator[Fetch]:
    """Give a fetch boundary that leads to it."""
    with fetch_to(point, types="*/*") as made:
        yield made
        await made.aclose()


class Client:
    """Either client, asked alike."""

    def __init__(self, kind: type[Any], url: str, fetch: Fetch, **more: Any) -> None:
        facts = {"owner": "ann"}
        given: dict[str, Any] = {
            "subject": _subject,
            "resource": lambda key: Named("order", str(key), facts),
            "deadline": timedelta(seconds=10),  # of a busy machine
        }
        self.policy = kind(url, fetch, **{**given, **more})

    async def __call__(self, *asked: Any) -> Decision:
        told = self.policy(*(asked or ASKED))
        return told if isinstance(told, Decision) else await told

    async def all(self, *several: Any) -> tuple[Decision, ...]:
        told = self.policy.decide_all(several)
        return told if isinstance(told, tuple) else await told

    async def refused(self, *asked: Any) -> Refused:
        with pytest.raises(Refused) as refused:
            await self(*asked)
        return refused.value


def _subject(name: str) -> Named:
    return Named("user", name)


@pytest.fixture(params=[AuthZenPolicy, AsyncAuthZenPolicy], ids=["sync", "async"])
def client(request: pytest.FixtureRequest, point: Point, fetch: Fetch) -> Client:
    """Give each client."""
    return Client(request.param, point.url, fetch)


async def test_a_decision_is_asked_for_and_believed(client: Client, point: Point) -> None:
    """The question is AuthZEN's, its request id is in the reasons, and so are the operator's words."""
    allowed, denied = await client(), await client("bob", "read", 10)
    assert (allowed.is_allowed, denied.is_allowed) == (True, False)
    path, fields, question = point.asked[0]
    assert (path, fields["content-type"]) == ("/access/v1/evaluation", "application/json")
    assert question == {
        "subject": {"type": "user", "id": "ann"},
        "action": {"name": "read"},
        "resource": {"type": "order", "id": "10", "properties": {"owner": "ann"}},
    }
    request_id = fields["x-request-id"]
    assert allowed.reasons == ('reason_admin={"en": "ownership"}', f"asked as {request_id}")
    assert point.asked[1][1]["x-request-id"] != request_id


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(500, YES),
        Reply(201, YES),
        Reply(403, YES),
        Reply(302, YES),
        Reply(204, b""),
        Reply(content=b""),
        Reply(content=b"true"),
        Reply(content=b"[true]"),
        Reply(content=b"{}"),
        Reply(content=b'{"decision": "true"}'),
        Reply(content=b'{"decision": 1}'),
        Reply(content=b'{"decision": null}'),
        Reply(content=b'{"decision": [true]}'),
        Reply(content=b'{"Decision": true}'),
        Reply(content=b'{"decision": false, "decision": true}'),
        Reply(content=b'{"decision": false, "decisio\\u006e": true}'),
        Reply(content=b'{"decision": true, "context": {"a": 1, "a": 2}}'),
        Reply(content=b'{"decision": true, "context": "yes"}'),
        Reply(content=b'{"decision": true, "context": null}'),
        Reply(content=b'{"evaluations": [{"decision": true}]}'),
        Reply(content=b'{"decision": true}}'),
        Reply(content=b'\xff\xfe{"decision": true}'),
        Reply(content=b'{"decision": true, "x": ' + b"[" * 2000 + b"]" * 2000 + b"}"),
        Reply(content=YES, content_type="text/html"),
        Reply(content=YES, content_type="application/jsonp"),
        Reply(content=YES, content_type=""),
        Reply(content=YES, request_id="another"),
    ],
    ids=lambda reply: f"{reply.status} {str(reply.content)[:40]} {reply.content_type}",
)
async def test_whatever_is_no_decision_allows_nothing(
    client: Client, point: Point, reply: Reply
) -> None:
    """ALLOWED, no_decision, retry: garbage, errors, other types, two answers in one; a decision is taken (CWE-636)."""
    point.reply = reply
    refused = await client.refused()
    assert (refused.obligation, refused.code, refused.answer) == (
        ALLOWED,
        "no_decision",
        Answer.RETRY,
    )
    assert point.asked[0][1]["x-request-id"] in refused.detail
    point.reply = Reply(content=YES, content_type="Application/JSON; charset=utf-8")
    assert (await client()).is_allowed


async def test_one_that_is_down_allows_nothing(client: Client, fetch: Fetch) -> None:
    """Nobody listens there: no_decision, with the fetch's own code for the operator; while it was up it decided."""
    kind = type(client.policy)
    with decision_point(decide) as other, fetch_to(other) as way:
        assert (await Client(kind, other.url, way)()).is_allowed
        await way.aclose()
    with fetch_to(other) as way:
        down = await Client(kind, other.url, way).refused()
        await way.aclose()
    assert (down.code, "unreachable" in down.detail) == ("no_decision", True)
    undeclared = await Client(kind, other.url, fetch).refused()
    assert (undeclared.code, "not_allowed" in undeclared.detail) == ("no_decision", True)


async def test_one_that_hangs_is_waited_for_until_the_deadline(
    point: Point, fetch: Fetch, client: Client
) -> None:
    """The deadline is the question's own, shorter than the fetch policy's 10 s; one that answers decides."""
    kind = type(client.policy)
    point.reply = Reply(hangs=True)
    short = Client(kind, point.url, fetch, deadline=timedelta(milliseconds=50))
    refused = await short.refused()
    assert (refused.code, "fetch_deadline" in refused.detail) == ("no_decision", True)
    point.reply = Reply()
    assert (await client()).is_allowed


async def test_a_batch_is_decided_in_its_order(client: Client, point: Point) -> None:
    """One request, all questions answered, none on the first "no"; no question is no request."""
    told = await client.all(("ann", "read", 1), ("bob", "read", 2), ("ann", "read", 3))
    assert [one.is_allowed for one in told] == [True, False, True]
    assert await client.all() == ()
    ((path, _, question),) = point.asked
    assert path == "/access/v1/evaluations"
    assert question["options"] == {"evaluations_semantic": "execute_all"}


@pytest.mark.parametrize(
    "content",
    [
        b'{"evaluations": [{"decision": true}]}',
        b'{"evaluations": [{"decision": true}, {"decision": true}, {"decision": true}]}',
        b'{"evaluations": [{"decision": true}, {}]}',
        b'{"evaluations": [{"decision": true}, true]}',
        b'{"evaluations": [{"decision": true}, {"decision": true, "decision": false}]}',
        b'{"evaluations": {"0": {"decision": true}, "1": {"decision": true}}}',
        b'{"evaluations": null}',
        b'{"decision": true}',
    ],
)
async def test_a_batch_of_another_shape_allows_nothing(
    client: Client, point: Point, content: bytes
) -> None:
    """Fewer or more decisions than questions, or one that is none: all are refused; two for two are taken."""
    point.reply = Reply(content=content)
    with pytest.raises(Refused, match="no_decision"):
        await client.all(("ann", "read", 1), ("ann", "read", 2))
    point.reply = Reply(content=b'{"evaluations": [{"decision": true}, {"decision": false}]}')
    told = await client.all(("ann", "read", 1), ("ann", "read", 2))
    assert [one.is_allowed for one in told] == [True, False]


class Clock:
    """A clock that is set by hand, in seconds."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_without_a_cache_each_decision_is_asked_for(client: Client, point: Point) -> None:
    """A permission that is withdrawn is withdrawn at the next question."""
    assert (await client()).is_allowed
    point.reply = Reply(content=b'{"decision": false}')
    assert not (await client()).is_allowed


async def test_a_remembered_decision_ends(point: Point, fetch: Fetch, client: Client) -> None:
    """Within its age it isn't asked again, and says so; at its limit it is, and then counts as it is now."""
    clock = Clock()
    cache = DecisionCache(max_age=timedelta(seconds=5), clock=clock)
    asked = Client(type(client.policy), point.url, fetch, cache=cache)
    first = await asked()
    point.reply = Reply(content=b'{"decision": false}')
    clock.now += 4.9
    again = await asked()
    assert again == Decision(True, ("remembered", *first.reasons))
    assert (await asked.all(ASKED))[0] == again
    clock.now += 0.1
    assert not (await asked()).is_allowed
    assert len(point.asked) == 2


async def test_the_age_counts_from_the_question(point: Point, fetch: Fetch, client: Client) -> None:
    """What took 4 s to answer is 4 s old: one second later it is asked again, and just before it isn't."""
    clock = Clock()
    cache = DecisionCache(max_age=timedelta(seconds=5), clock=clock)
    asked = Client(type(client.policy), point.url, fetch, cache=cache)
    quick = point.decide

    def slow(question: dict[str, Any]) -> dict[str, Any]:
        clock.now += 4
        return quick(question)

    point.decide = slow
    await asked()
    await asked.all(("bob", "read", 10))
    point.decide = quick
    clock.now += 0.9 - 4  # bob's question came 4 s later
    await asked()
    assert len(point.asked) == 2
    clock.now += 0.1
    await asked()
    assert len(point.asked) == 3
    clock.now += 3.9
    await asked.all(("bob", "read", 10))
    assert len(point.asked) == 3
    clock.now += 0.1
    await asked.all(("bob", "read", 10))
    assert len(point.asked) == 4


async def test_another_question_is_another_decision(
    point: Point, fetch: Fetch, client: Client
) -> None:
    """Another user, verb, object, fact, context or decision point is never answered from memory."""
    cache = DecisionCache(max_age=timedelta(seconds=5), clock=Clock())
    kind = type(client.policy)
    asked = Client(kind, point.url, fetch, cache=cache)
    assert (await asked()).is_allowed
    assert not (await asked("bob", "read", 10)).is_allowed
    for other in (
        Client(kind, point.url + "/elsewhere", fetch, cache=cache),
        Client(kind, point.url, fetch, cache=cache, context=lambda u, v, o: {"from": "abroad"}),
        Client(kind, point.url, fetch, cache=cache, resource=lambda key: Named("order", str(key))),
    ):
        before = len(point.asked)
        if other.policy._url == point.url:
            await other()
        else:
            await other.refused()
        assert len(point.asked) == before + 1
    before = len(point.asked)
    assert (await asked()).is_allowed
    assert len(point.asked) == before


async def test_what_was_not_decided_is_not_remembered(
    point: Point, fetch: Fetch, client: Client
) -> None:
    """After an error it is asked again, and the memory of before doesn't stand in for it when it is over."""
    clock = Clock()
    cache = DecisionCache(max_age=timedelta(seconds=5), clock=clock)
    asked = Client(type(client.policy), point.url, fetch, cache=cache)
    point.reply = Reply(500)
    await asked.refused()
    assert len(cache) == 0
    point.reply = Reply()
    assert (await asked()).is_allowed
    clock.now += 5
    point.reply = Reply(500)
    await asked.refused()


def test_a_cache_holds_as_many_as_it_may() -> None:
    """The one that was not used for longest goes first."""
    cache = DecisionCache(max_age=timedelta(seconds=5), max_entries=2, clock=Clock())
    for question in (b"a", b"b"):
        cache.keep("p", question, Decision(True), asked_at=100.0)
    assert cache.find("p", b"a") == Decision(True)
    cache.keep("p", b"c", Decision(False), asked_at=100.0)
    assert (len(cache), cache.find("p", b"b"), cache.find("q", b"a")) == (2, None, None)
    assert cache.find("p", b"a") == Decision(True)


@pytest.mark.parametrize("asked_at", [100.1, 95.0, 0.0])
def test_a_decision_from_another_time_is_none(asked_at: float) -> None:
    """From the future of the clock, at its limit or past it: forgotten; one within is found."""
    cache = DecisionCache(max_age=timedelta(seconds=5), clock=Clock())
    cache.keep("p", b"a", Decision(True), asked_at=asked_at)
    assert (cache.find("p", b"a"), len(cache)) == (None, 0)
    cache.keep("p", b"a", Decision(True), asked_at=95.1)
    assert cache.find("p", b"a") == Decision(True)


@pytest.mark.parametrize(
    "limits",
    [{"max_age": timedelta(0)}, {"max_age": timedelta(seconds=1), "max_entries": 0}],
)
def test_a_cache_without_a_limit_does_not_start(limits: dict[str, Any]) -> None:
    """Zero is a mistake; one second and one entry are limits."""
    with pytest.raises(BoundaryError):
        DecisionCache(**limits)
    assert len(DecisionCache(max_age=timedelta(seconds=1), max_entries=1)) == 0


@pytest.mark.parametrize(
    ("subject", "context"),
    [
        (lambda name: Named("user", ""), {}),
        (lambda name: Named("user", 7), {}),
        (lambda name: Named("user", name, {"x": object()}), {}),
        (lambda name: Named("user", name, {"x": float("nan")}), {}),
        (lambda name: Named("user", name, {"x": timedelta(1)}), {}),
        (lambda name: Named("user", name, {"x": b"y"}), {}),
        (_subject, {"x": {1, object()}}),
    ],
)
async def test_a_question_that_can_not_be_written_is_not_asked(
    point: Point, fetch: Fetch, client: Client, subject: Any, context: Any
) -> None:
    """A fact that isn't JSON, or somebody without a name: refused, retry, nothing is sent."""
    asked = Client(
        type(client.policy), point.url, fetch, subject=subject, context=lambda u, v, o: context
    )
    refused = await asked.refused()
    assert (refused.code, refused.answer, point.asked) == ("internal", Answer.RETRY, [])
    assert (await client()).is_allowed


@pytest.mark.parametrize(
    "url",
    [
        "pdp.example",
        "ftp://pdp.example",
        "https://",
        "https://pdp.example/?a",
        "https://u@p.example",
    ],
)
def test_a_url_of_no_decision_point_does_not_start(url: str) -> None:
    """A query, a user, no host, another scheme: refused at the start; a path before the API's own is fine."""
    with pytest.raises(BoundaryError):
        AuthZenPolicy(url, None, subject=_subject, resource=_subject)
    policy = AuthZenPolicy("https://p.example/a/", None, subject=_subject, resource=_subject)
    assert "p.example" in policy.words
    assert policy.roots[0].controller == "p.example"
    with pytest.raises(BoundaryError, match="deadline"):
        AuthZenPolicy(
            "https://p.example",
            None,
            subject=_subject,
            resource=_subject,
            deadline=timedelta(0),
        )


async def test_words_from_outside_are_short_and_escaped(client: Client, point: Point) -> None:
    """A decision point's words reach the operator, at most 64 escaped characters of each; the user's are left out."""
    words = b'{"reason_admin": "a\\nb' + b"\\u202e" * 200 + b'", "reason_user": "x", "id": "7"}'
    point.reply = Reply(content=b'{"decision": false, "context": ' + words + b"}")
    told = await client()
    assert told.reasons[0] == 'id="7"'
    assert told.reasons[1].startswith(r'reason_admin="a\nb\u202e')
    assert [len(one) <= 64 + len("reason_admin=") for one in told.reasons] == [True] * 3


class Told:
    """An answer that came."""

    status = 200

    def __init__(self, content: bytes, *lines: tuple[str, str]) -> None:
        self.content = content
        self.fields = Fields([("Content-Type", "application/json"), *lines])


JSON = st.recursive(
    st.sampled_from([b"true", b"false", b"1", b'"true"', b"null", b"{}", b"[]"]),
    lambda inner: inner.map(lambda told: b'{"decision": %s}' % told),
    max_leaves=3,
)


@given(
    st.one_of(st.binary(max_size=100), JSON, JSON.map(lambda told: b'{"evaluations": [%s]}' % told))
)
def test_any_bytes_are_a_decision_or_refused(content: bytes) -> None:
    """Nothing but Refused leaves, and True comes of the one member alone."""
    for read in (
        lambda told: read_decision(told, request_id="1"),
        lambda told: read_decisions(told, request_id="1", count=1)[0],
    ):
        with suppress(Refused):
            assert read(Told(content)).is_allowed is (b'"decision": true' in content)


def test_a_field_that_comes_twice_is_no_decision() -> None:
    """Two content types, two request ids: refused; one of each is read, and no id at all."""
    for line in (("content-type", "text/html"), ("x-request-id", "1"), ("x-request-id", "2")):
        lines = [("x-request-id", "1")] if line[0] == "x-request-id" else []
        with pytest.raises(Refused, match="no_decision"):
            read_decision(Told(YES, *lines, line), request_id="1")
    assert read_decision(Told(YES, ("X-Request-ID", "1")), request_id="1").is_allowed
    assert read_decision(Told(YES), request_id="1").is_allowed
