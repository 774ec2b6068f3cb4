"""The lock: the same declarations write the same bytes, and each change of one is told with where it leads."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique import Perimeter, unsafe
from pratique.client import Client, Session, SessionCookie
from pratique.core.obligation import FRESH
from pratique.core.refusal import BoundaryError
from pratique.core.route import Route, RouteState
from pratique.report import Change, differences, evidence_of, legacy_routes, lock_of, read_lock
from pratique.report.evidence import unnumbered
from pratique.report.review import rendered
from tests.client.shop import NOON, ORIGIN
from tests.shop import plain_sqlite3, started, sync_orm

GUARDED = Route("/orders/{id}", ("GET",), RouteState.GUARDED, "shop order.read", "a.py:1 read")


def client(*, waivers: Any = (), name: str = "shop") -> Perimeter:
    """Return a perimeter with one client boundary of one action."""
    perimeter = Perimeter(clock=lambda: NOON)
    identity = SessionCookie("session", lambda _: Session(1, NOON, NOON), origins=[ORIGIN])
    shop = perimeter.declare(
        Client(name, identity=identity, user=_user, policy=_policy, waivers=waivers)
    )
    shop.action("profile.read")
    return perimeter


def _user(subject: object) -> object:
    return subject


def _policy(*_: object) -> bool:
    return True


def lock(perimeter: Perimeter, *routes: Route) -> str:
    """Return the lock of it."""
    perimeter.debts()
    return lock_of(evidence_of(perimeter, routes))


def test_the_same_declarations_write_the_same_bytes(tmp_path: Path) -> None:
    """Two runs, two orders of routes: one text, which reads back; no number of a line stands in it."""
    other = Route("/a", ("POST",), RouteState.PUBLIC, "says so", "a.py:9 a")
    texts = {lock(client(), *routes) for routes in ((GUARDED, other), (other, GUARDED))}
    assert len(texts) == 1
    text = texts.pop()
    assert read_lock(text)["routes"]["GET /orders/{id}"] == ["guarded", "shop order.read"]
    assert "test_lock.py _user" in text
    assert "test_lock.py:" not in text
    shop = plain_sqlite3(tmp_path / "shop.db").perimeter
    assert differences(read_lock(lock(shop)), read_lock(lock(shop))) == ()


def test_a_declaration_has_the_same_digest_when_it_has_started(tmp_path: Path) -> None:
    """What was tested of a running application is found by a report that only looks at it."""
    shop = sync_orm(f"sqlite:///{tmp_path / 'shop.db'}")
    perimeter = shop.perimeter

    def digests() -> list[str]:
        return [each.digest for found in evidence_of(perimeter).boundaries for each in found.claims]

    assert perimeter.debts() == []
    before = digests()
    with started(shop):
        assert digests() == before != []


@pytest.mark.parametrize(
    ("where", "told"),
    [("a.py:12 f", "a.py f"), ("a.py:1 C.<locals>.<lambda>", "a.py C.<locals>.<lambda>"), ("", "")],
)
def test_a_line_that_moved_is_no_change(where: str, told: str) -> None:
    """Place and name stay, the line goes."""
    assert unnumbered(where) == told


WAIVER = unsafe.waive(
    FRESH, reason="the sender signs no time", owner="ann", until=date(2026, 12, 24), bound="10 EUR"
)


@pytest.mark.parametrize(
    ("before", "after", "change", "told"),
    [
        (client(), client(waivers=[WAIVER]), Change.WEAKER, "waives fresh until 2026-12-24 by ann"),
        (client(waivers=[WAIVER]), client(), Change.STRONGER, "no longer waives fresh"),
        (client(), client(name="market"), Change.WEAKER, "boundary shop: is gone"),
    ],
)
def test_a_change_says_where_it_leads(
    before: Perimeter, after: Perimeter, change: Change, told: str
) -> None:
    """A waiver more, a boundary less: weaker. The other way round: stronger. Nothing changed: nothing told."""
    found = differences(read_lock(lock(before)), read_lock(lock(after)))
    assert any(each.change is change and told in str(each) for each in found), list(map(str, found))
    assert differences(read_lock(lock(after)), read_lock(lock(after))) == ()


@pytest.mark.parametrize(
    ("was", "now", "change"),
    [
        (RouteState.GUARDED, RouteState.PUBLIC, Change.WEAKER),
        (RouteState.PUBLIC, RouteState.ELSEWHERE, Change.WEAKER),
        (RouteState.LEGACY, RouteState.GUARDED, Change.STRONGER),
        (None, RouteState.PUBLIC, Change.WEAKER),
        (None, RouteState.GUARDED, Change.OTHER),
        (RouteState.LEGACY, None, Change.OTHER),
    ],
)
def test_a_route_that_says_something_else_is_told(
    was: RouteState | None, now: RouteState | None, change: Change
) -> None:
    """Each step away from guarded is weaker, each towards it stronger."""

    def locked(state: RouteState | None) -> Any:
        routes = [] if state is None else [Route("/a", ("GET",), state, "x")]
        return read_lock(lock(client(), *routes))

    found = differences(locked(was), locked(now))
    assert [each.change for each in found] == [change]


@pytest.mark.parametrize(
    ("mode", "change"), [("enforced", Change.OTHER), ("observed until 2026-12-24", Change.WEAKER)]
)
def test_a_new_boundary_that_enforces_nothing_is_weaker(mode: str, change: Change) -> None:
    """It looks guarded and isn't yet; one that enforces is simply new."""
    after = read_lock(lock(client()))
    after["boundaries"]["shop"]["mode"] = mode
    found = differences(read_lock("version = 1"), after)
    assert [each.change for each in found] == [change]


def test_legacy_is_read_back_from_the_lock() -> None:
    """The baseline is the legacy routes, and nothing that is guarded."""
    text = lock(client(), GUARDED, Route("/old", ("GET",), RouteState.LEGACY))
    assert legacy_routes(read_lock(text)) == {"GET /old"}


@pytest.mark.parametrize(
    "text", ["", "version = 2", "version = ", "x" * (17 << 20), "\x00", "version = [[[[["]
)
def test_what_is_no_lock_of_ours_is_told(text: str) -> None:
    """Another version, no TOML, too large: one sentence; its own text is read."""
    with pytest.raises(BoundaryError, match=r"pratique\.lock"):
        read_lock(text)
    assert read_lock("version = 1") == {"version": 1}


@pytest.mark.parametrize(
    "more",
    [
        "routes = 5",
        '[routes]\n"GET /" = []',
        '[routes]\n"GET /" = ["proven", ""]',
        "[boundaries]\nshop = {}",
        f"n = {'1' * 5000}",
    ],
)
def test_a_lock_of_another_shape_is_told(more: str) -> None:
    """It may come from anybody's branch: refused as a whole, and no traceback; its twin is read."""
    with pytest.raises(BoundaryError, match="can't be read"):
        read_lock(f"version = 1\n{more}")
    fine = read_lock('version = 1\n[routes]\n"GET /" = ["legacy", ""]')
    assert legacy_routes(fine) == {"GET /"}


@given(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_name_is_kept_as_it_is(name: str, reason: str) -> None:
    """Quotes, brackets, line breaks, control characters: written and read back the same, and one line of Markdown."""
    text = lock_of(evidence_of(client(), [Route(f"/{name}", ("GET",), RouteState.PUBLIC, reason)]))
    routes = read_lock(text)["routes"]
    assert routes == {f"GET /{name}": ["public", reason]}
    found = differences({"routes": {}, "version": 1}, {"routes": routes, "version": 1})
    page = rendered(found, "md", revision="main", file="pratique.lock").splitlines()
    (line,) = [each for each in page if each.startswith("* ")]
    assert line.count("`") == 4
