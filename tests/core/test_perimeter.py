"""Perimeter: every debt at once, and nothing crosses before the start."""

from datetime import timedelta
from pathlib import Path

import pytest

from pratique import Perimeter, Secret, stores
from pratique.core.recorder import Recorder
from pratique.core.refusal import BoundaryError
from pratique.core.watcher import Sample
from pratique.webhook import Webhook, providers
from tests.shop import boundary, claim, plain_sqlite3


def test_lists_every_debt_at_once() -> None:
    """Two bad boundaries, both named."""
    perimeter = Perimeter()
    perimeter.declare(boundary())
    perimeter.declare(Webhook("other", providers.stripe(secrets=Secret("", name="empty"))))
    with pytest.raises(BoundaryError) as error:
        perimeter.start()
    assert len(error.value.debts) > 1
    assert "payments" in str(error.value)
    assert "other" in str(error.value)
    with pytest.raises(BoundaryError):
        Perimeter().start()


def test_a_shared_secret_and_a_shared_scope_are_debts() -> None:
    """A delivery to one must not open at the other."""
    perimeter = Perimeter(store=stores.memory())
    perimeter.declare(boundary())
    perimeter.declare(Webhook("b", boundary().sender))
    said = " ".join(perimeter.debts())
    assert "share a secret" in said
    assert "scope=" in said


def test_declares_once_before_the_start_and_crosses_after_it(tmp_path: Path) -> None:
    """Twice, late, elsewhere and early are all refused; the twin crosses."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    with pytest.raises(BoundaryError, match="twice"):
        shop.perimeter.declare(boundary())
    with pytest.raises(BoundaryError, match="hasn't started"):
        shop.perimeter.admit(shop.payments, claim())
    with shop.perimeter:
        with pytest.raises(BoundaryError, match="after the start"):
            shop.perimeter.declare(boundary(scope="b"))
        with pytest.raises(BoundaryError, match="not declared"):
            shop.perimeter.admit(boundary(), claim())
        shop.perimeter.admit(shop.payments, claim())
    assert shop.row["upgrades"] == 1


@pytest.mark.parametrize("span", [timedelta(0), timedelta(seconds=-1)])
def test_a_span_is_above_zero(span: timedelta) -> None:
    """Zero is not "unset"."""
    with pytest.raises(BoundaryError):
        Perimeter(deadline=span)
    with pytest.raises(BoundaryError):
        Perimeter(lease=span)
    assert Perimeter(deadline=None, lease=timedelta(seconds=1)).boundaries == ()


class Watching:
    """A watcher that notes when it is called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Recorder]] = []

    def started(self, recorder: Recorder) -> None:
        self.calls.append(("started", recorder))

    def closed(self, recorder: Recorder) -> None:
        self.calls.append(("closed", recorder))

    def samples(self) -> list[Sample]:
        return []


def test_a_watcher_tells_from_the_start_to_the_end(tmp_path: Path) -> None:
    """Attached twice it is told once; one that comes after the start begins at once."""
    perimeter = plain_sqlite3(tmp_path / "shop.db").perimeter
    early, late = Watching(), Watching()
    assert perimeter.attach(early) is early
    perimeter.attach(early)
    assert early.calls == []
    with perimeter:
        assert early.calls == [("started", perimeter.recorder)]
        perimeter.attach(late)
        assert late.calls == early.calls
        assert perimeter.watchers == (early, late)
    assert early.calls[1:] == late.calls[1:] == [("closed", perimeter.recorder)]


async def test_a_watcher_tells_on_the_event_loop_too(tmp_path: Path) -> None:
    """The same by `astart` and `aclose`; a start that refuses tells nothing."""
    watcher = Watching()
    bare = Perimeter()
    bare.attach(watcher)
    with pytest.raises(BoundaryError):
        await bare.astart()
    assert watcher.calls == []
    perimeter = plain_sqlite3(tmp_path / "shop.db").perimeter
    perimeter.attach(watcher)
    async with perimeter:
        assert watcher.calls == [("started", perimeter.recorder)]
    assert watcher.calls[1:] == [("closed", perimeter.recorder)]


class Inspecting(Watching):
    def __init__(self, *found: str) -> None:
        super().__init__()
        self.found = list(found)

    def debts(self) -> list[str]:
        return self.found

    async def adebts(self) -> list[str]:
        return self.found


async def test_what_an_inspector_finds_is_a_debt_of_the_start(tmp_path: Path) -> None:
    """Beside those of the boundaries, sync and async; one that finds nothing lets it start."""
    bare, perimeter = Perimeter(), plain_sqlite3(tmp_path / "shop.db").perimeter
    inspector = Inspecting("the roof leaks. Mend it.")
    for each in (bare, perimeter):
        each.attach(inspector)
    with pytest.raises(BoundaryError) as refused:
        bare.start()
    assert len(refused.value.debts) == 2
    with pytest.raises(BoundaryError, match="the roof leaks"):
        await perimeter.astart()
    inspector.found.clear()
    async with perimeter:
        with pytest.raises(BoundaryError, match="attached after the start"):
            perimeter.attach(Inspecting())
        assert perimeter.attach(inspector) is inspector
