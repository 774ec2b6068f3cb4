"""Proven and Admitted: made by a crossing alone."""

import copy
import pickle
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args

import pytest

from pratique import Admitted, Proven, unsafe
from pratique.core.refusal import BoundaryError
from tests.shop import NOW, claim, plain_sqlite3, started


def test_only_a_crossing_makes_one(tmp_path: Path) -> None:
    """By hand it is a TypeError; a crossing's has its proofs and its age, and hides its value."""
    with pytest.raises(TypeError, match="vouch"):
        Proven("x", (), "id", NOW, seal=object())
    with started(plain_sqlite3(tmp_path / "shop.db")) as shop:
        admitted = shop.perimeter.admit(shop.payments, claim())
    assert len(admitted.proofs) == 7
    assert all(proof.at == NOW for proof in admitted.proofs)
    assert admitted.age(NOW + timedelta(seconds=3)) == timedelta(seconds=3)
    assert "in_1" not in repr(admitted)


def test_cannot_be_pickled_or_copied() -> None:
    """What crossed another process is a claim again."""
    value = unsafe.vouch("x", reason="a backfill that was reviewed")
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="picklable"):
            attempt(value)


def test_vouching_owes_a_reason() -> None:
    """An empty reason is none; the twin carries no proof."""
    with pytest.raises(BoundaryError):
        unsafe.vouch("x", reason=" ")
    assert unsafe.vouch("x", reason="reviewed").proofs == ()


def test_the_action_is_an_object_where_it_is_not_said() -> None:
    """Proven[T] is Proven[T, object], also at run time, where a door reads annotations."""
    assert Proven[int] == Proven[int, object]
    assert get_args(Proven[int, Literal["read"]]) == (int, Literal["read"])
    assert get_args(Admitted[int, str, float]) == (int, str, float)
    with pytest.raises(TypeError):
        Proven[int, str, float]  # type: ignore[type-arg]
