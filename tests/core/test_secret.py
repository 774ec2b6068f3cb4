"""Secrets: refused when weak, never shown, one name each."""

import pickle
from pathlib import Path

import pytest

from pratique import Secret
from pratique.core.refusal import BoundaryError
from pratique.core.secret import read_all, stand_ins
from tests.shop import SECRET


@pytest.mark.parametrize(
    "value",
    [
        "",
        "  ",
        "changeme",
        "None",
        "undefined",
        "short",
        "a" * 40,
        "abababababababababab",
        "${STRIPE_SECRET}",
    ],
)
def test_a_weak_secret_is_refused_and_hidden(value: str) -> None:
    """CWE-1188, CWE-521; its twin is read."""
    with pytest.raises(BoundaryError) as error:
        Secret(value, name="main").read()
    assert not value.strip() or value not in str(error.value)
    assert Secret(SECRET, name="main").read()[0].value == SECRET


def test_empty_is_not_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """No source is a debt, and so is a set, empty variable, optional or not."""
    with pytest.raises(BoundaryError):
        read_all([])
    monkeypatch.setenv("HOOK", "")
    for source in (Secret.env("HOOK"), Secret.optional("HOOK")):
        with pytest.raises(BoundaryError):
            source.read()
    monkeypatch.delenv("HOOK")
    assert Secret.optional("HOOK").read() == ()
    with pytest.raises(BoundaryError):
        Secret.env("HOOK").read()


def test_reads_a_file_and_the_previous_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One trailing line break is dropped; a roll has two live secrets."""
    path = tmp_path / "hook"
    path.write_text(SECRET + "\n")
    assert Secret.file(path).read()[0].value == SECRET
    with pytest.raises(BoundaryError):
        Secret.file(tmp_path / "none").read()
    monkeypatch.setenv("NEW", SECRET)
    monkeypatch.setenv("OLD", SECRET[::-1])
    assert [s.name for s in Secret.env("NEW", previous="OLD").read()] == ["NEW", "OLD"]


def test_two_of_one_name_and_a_pickle_are_refused() -> None:
    """An event must be able to say which matched."""
    with pytest.raises(BoundaryError, match="one name"):
        read_all([Secret(SECRET, name="a"), Secret(SECRET[::-1], name="a")])
    assert SECRET not in repr(Secret(SECRET, name="a")) + repr(read_all(Secret(SECRET, name="a")))
    with pytest.raises(TypeError):
        pickle.dumps(Secret(SECRET, name="a"))


def test_one_secret_of_two_accounts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What B signs would be A's; one account may have it under two names, as while it is rolled."""
    mine, other = (Secret(SECRET, name=name, account=name) for name in "ab")
    with pytest.raises(BoundaryError, match="another account's"):
        read_all([mine, other])
    assert len(read_all([mine, Secret(SECRET, name="b", account="a")])) == 2
    assert len(read_all([mine, Secret(SECRET[::-1], name="b", account="b")])) == 2
    for name in ("A_HOOK", "B_HOOK"):
        monkeypatch.delenv(name, raising=False)
    with stand_ins():  # whoever looks at declarations has none at hand
        assert len(read_all(Secret.env(n, account=n) for n in ("A_HOOK", "B_HOOK"))) == 2
