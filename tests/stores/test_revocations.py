"""What was taken back stays so, in every store; and what refuses to say so refuses."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pratique import Refused, stores
from pratique.core.proofs.revocation import Issued
from pratique.core.question import Lookup
from pratique.core.refusal import BoundaryError, StoreError
from pratique.stores import By
from tests.stores.test_contract import store as each_store

__all__ = ["each_store"]
NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ISSUER = "https://id.example"


def issued(**changes: Any) -> Issued:
    """Return what a token says, with something else."""
    facts = {"issuer": ISSUER, "subject": "ann", "id": "t-1", "at": NOON, "until": NOON + HOUR}
    return Issued(**{**facts, **changes})


def code(kept: Any, told: Issued) -> str:
    """Return why it is refused; "" where it is in force. Without a driver: the question is asked here."""
    flow = kept.require_in_force(told)
    try:
        question = next(flow)
        assert isinstance(question, Lookup)
        answer = question.call.call(*question.args)
        flow.send(asyncio.run(answer) if question.call.is_async else answer)
    except StopIteration:
        return ""
    except Refused as refused:
        return refused.code if (refused.obligation, refused.status) == ("fresh", 401) else "other"
    raise AssertionError("it asked twice")


def kept(**more: Any) -> Any:
    """Return a register in memory."""
    return stores.revocations(stores.memory(), **{"lifetime": HOUR, **more})


async def test_every_store_keeps_the_later_moment(each_store: Any) -> None:
    """A key without a revocation isn't told; an earlier moment changes nothing, a later one does."""
    first, later = NOON, NOON + timedelta(milliseconds=1)
    await each_store.revoke(b"a", until=later, kept=HOUR)
    await each_store.revoke(b"a", until=first, kept=HOUR)
    await each_store.revoke(b"b", until=first, kept=HOUR)
    assert await each_store.revoked((b"a", b"b", b"c")) == {b"a": later, b"b": first}
    assert await each_store.revoked((b"c",)) == {}


async def test_a_revocation_and_a_used_key_are_two_things(each_store: Any) -> None:
    """What was used once isn't taken back by that."""
    assert await each_store.first_use((b"a",), "c1") is None
    assert await each_store.revoked((b"a",)) == {}


def test_one_token_is_taken_back() -> None:
    """By issuer and id; another id, and the same id of another issuer, hold."""
    taken = kept()
    assert code(taken, issued()) == ""
    taken.revoke(ISSUER, "t-1")
    assert code(taken, issued()) == "revoked"
    assert code(taken, issued(at=NOON + timedelta(days=9), until=NOON + timedelta(days=9))) == (
        "revoked"
    )
    assert code(taken, issued(id="t-2")) == ""
    assert code(taken, issued(issuer="https://other.example")) == ""


@pytest.mark.parametrize(
    ("seconds", "refused"),
    [(-HOUR.total_seconds(), True), (-1, True), (0, True), (0.4, True), (0.999, True), (1, False)],
)
def test_the_second_of_the_moment_is_taken_back_too(seconds: float, refused: bool) -> None:
    """`iat` has whole seconds: of a token of the same second nobody knows on which side it was issued."""
    taken = kept()
    holds_from = taken.revoke_before(ISSUER, "ann", at=NOON + timedelta(seconds=0.5))
    assert holds_from == NOON + timedelta(seconds=1)
    told = issued(at=NOON + timedelta(seconds=seconds), until=NOON + timedelta(seconds=seconds + 9))
    assert code(taken, told) == ("revoked" if refused else "")
    assert code(taken, issued(subject="bob")) == ""


def test_a_clock_ahead_is_allowed_for() -> None:
    """lead=5 s: a token with an `iat` 5 s after the moment may be an earlier one; 6 s after it can't."""
    taken = kept(lead=timedelta(seconds=5))
    holds_from = taken.revoke_before(ISSUER, "ann", at=NOON)
    later = NOON + timedelta(seconds=5)
    assert code(taken, issued(at=later)) == "revoked"
    assert holds_from == NOON + timedelta(seconds=6)
    assert code(taken, issued(at=holds_from)) == ""


@pytest.mark.parametrize("subject", [7, "7", UUID(int=7)])
def test_a_number_and_its_text_are_one_subject(subject: object) -> None:
    """Whoever takes back "7" means the session of 7."""
    taken = kept()
    taken.revoke_before("cookie:session", str(subject), at=NOON)
    assert code(taken, issued(issuer="cookie:session", subject=subject)) == "revoked"
    assert code(taken, issued(issuer="cookie:session", subject=8)) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"id": ""},
        {"at": None},
        {"until": NOON + HOUR + timedelta(seconds=1)},
        {"subject": 1.5},
        {"subject": True},
        {"subject": ""},
    ],
)
def test_what_could_not_be_taken_back_is_refused(change: dict[str, Any]) -> None:
    """Without `jti`, without `iat`, or longer-lived than its revocation: refused, also before anybody takes it back."""
    assert code(kept(), issued(**change)) == "not_revocable"
    assert code(kept(), issued()) == ""


def test_what_is_not_looked_up_is_not_owed() -> None:
    """by=SUBJECT: no `jti` is owed, and to take one back by it is a mistake of ours, as is the other way round."""
    by_subject, by_id = kept(by=[By.SUBJECT]), kept(by=[By.ID])
    assert code(by_subject, issued(id=None)) == ""
    assert code(by_id, issued(subject=1.5)) == ""
    for mistaken in (
        lambda: by_subject.revoke(ISSUER, "t-1"),
        lambda: by_id.revoke_before(ISSUER, "ann", at=NOON),
        lambda: by_id.revoke(ISSUER, ""),
        lambda: by_id.revoke("", "t-1"),
        lambda: by_subject.revoke_before(ISSUER, 1.5, at=NOON),
    ):
        with pytest.raises(BoundaryError, match=r"nobody would ask|is empty"):
            mistaken()


@pytest.mark.parametrize(
    "mistake",
    [
        {"lifetime": timedelta(0)},
        {"lifetime": timedelta(days=401)},
        {"lead": timedelta(minutes=6)},
        {"lead": timedelta(seconds=-1)},
        {"by": ()},
        {"by": "id"},
        {"by": ["jti"]},
    ],
)
def test_bounds_are_looked_at_once(mistake: dict[str, Any]) -> None:
    """A register that would forget, or asks nothing, isn't made."""
    with pytest.raises(BoundaryError, match="revocations"):
        kept(**mistake)


def test_an_answer_that_is_none_refuses() -> None:
    """A store that says nothing has said nothing of the token."""
    flow = kept().require_in_force(issued())
    next(flow)
    with pytest.raises(StoreError):
        flow.send(None)


async def test_every_face_takes_back() -> None:
    """On the loop too; where the store has no face there, on a thread."""
    memory = stores.memory()
    taken = stores.revocations(memory, lifetime=HOUR)
    await taken.arevoke(ISSUER, "t-1")
    assert await taken.arevoke_before(ISSUER, "ann", at=NOON) == NOON + timedelta(seconds=1)
    memory.asynchronous = None  # type: ignore[assignment]
    await taken.arevoke(ISSUER, "t-2")
    look: Callable[..., dict[bytes, datetime]] = memory.revoked
    keys = [taken._id_key(ISSUER, name) for name in ("t-1", "t-2", "t-3")]
    assert set(look(keys)) == set(keys[:2])
