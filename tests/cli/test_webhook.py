"""`pratique webhook new` writes a sender and its test, which runs as it is."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pratique.cli.commands import app
from pratique.core.refusal import BoundaryError


def new(*arguments: str) -> tuple[int, str]:
    """Run the command; (exit code, what it says)."""
    result = CliRunner().invoke(app, ["webhook", "new", *arguments])
    return result.exit_code, result.output


def test_what_is_written_is_a_scheme_and_a_test_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheme is unconfirmed, so that no boundary takes it; the test passes but for its literal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert new("acme-pay")[0] == 0
    import acme_pay

    with pytest.raises(BoundaryError, match=r"unsafe\.unconfirmed"):
        acme_pay.SCHEME(secrets="a-secret-of-at-least-16-bytes")
    import test_acme_pay

    test_acme_pay.test_another_byte_secret_or_time_is_refused()
    with pytest.raises(pytest.skip.Exception, match="unconfirmed"):
        test_acme_pay.test_the_senders_own_delivery_opens()
    for name in ("acme_pay", "test_acme_pay"):
        sys.modules.pop(name)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """Neither the one nor the other; the twin writes both."""
    where = ["--folder", str(tmp_path / "a"), "--tests", str(tmp_path / "b")]
    assert new("acme", *where)[0] == 0
    assert (tmp_path / "a/acme.py").is_file()
    (tmp_path / "b/test_acme.py").write_text("mine")
    (tmp_path / "a/acme.py").unlink()
    code, said = new("acme", *where)
    assert (code, "test_acme.py is there" in said.replace("\n", "")) == (2, True)
    assert (tmp_path / "b/test_acme.py").read_text() == "mine"
    assert not (tmp_path / "a/acme.py").exists()


@pytest.mark.parametrize("name", ["Acme", "1acme", "acme_pay", "../acme", "", "acme-"])
def test_a_name_is_one_of_ours(name: str) -> None:
    """It is a name of a file, and stands in keys."""
    assert new(name)[0] == 2
