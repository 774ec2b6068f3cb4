"""The pytest plugin: the attacks on each boundary, and the tests that connect outside any policy.

Each is off unless the ini file, the command line or a marker asks for it. See
docs/how-to/test-your-boundaries.md and docs/how-to/find-naked-egress.md.
"""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:  # what is off imports nothing
    from pratique.fetch import naked

    from .crossings import Crossings

FAIL: Final = "fail"
ALLOW: Final = "allow"
RULE: Final = "pratique_naked_egress"
ELSEWHERE: Final = "pratique_elsewhere"
MARKER: Final = "naked_egress"
APP: Final = "pratique_app"
TESTED: Final = "pratique_tested"
_RULE_OF_THE_TEST: Final = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the settings of the ini file."""
    group = parser.getgroup("pratique")
    group.addoption(
        "--pratique",
        action="store_true",
        help="attack each boundary that has an example, and check each counterexample",
    )
    parser.addini(APP, 'the application that is attacked: "shop.main:app"', default="")
    parser.addini(TESTED, "where the results go", default=".pratique/tested.json")
    group.addoption(
        "--pratique-naked-egress",
        choices=(ALLOW, FAIL),
        dest=RULE,
        help="fail a test in which a connection is made outside any fetch policy",
    )
    parser.addini(RULE, f'"{FAIL}" or "{ALLOW}" (default)', default=ALLOW)
    parser.addini(ELSEWHERE, "a line each, module: why; its connections are known", type="linelist")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what the whole run asks for.

    Raises:
        pytest.UsageError: a setting is none.
    """
    config.addinivalue_line(
        "markers",
        f'{MARKER}(rule, reason=""): "{FAIL}" or "{ALLOW}" for this test; to allow takes a reason',
    )
    elsewhere = _elsewhere(config)
    if _rule_of_the_run(config) == FAIL:
        _watch(elsewhere)
    if config.getoption("--pratique"):
        from .collecting import Attacks

        attacks = Attacks(config.rootpath, str(config.getini(TESTED)))
        config.pluginmanager.register(attacks, "pratique-attacks")


@pytest.fixture
def crossings() -> "Iterator[Crossings]":
    """Give the records of what crosses during the test."""
    from .crossings import Crossings

    with Crossings.heard() as heard:
        yield heard


@pytest.fixture(name=APP)
def _app(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> object:
    """Give the application that is attacked; a fixture of the same name takes its place."""
    from .collecting import app_of

    return app_of(request, str(pytestconfig.getini(APP)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the fixtures.

    Raises:
        pytest.UsageError: the marker is none.
    """
    item.stash[_RULE_OF_THE_TEST] = FAIL  # also where the marker is none: its teardown runs too
    item.stash[_RULE_OF_THE_TEST] = _rule(item)
    with _guarded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Guard the test."""
    with _guarded(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Guard what the fixtures do at the end."""
    with _guarded(item):
        return (yield)


@contextmanager
def _guarded(item: pytest.Item) -> Generator[None]:
    """Forbid naked connections meanwhile; fail also where the code under test swallows that."""
    if item.stash[_RULE_OF_THE_TEST] != FAIL:
        yield
        return
    watch = _watch(_elsewhere(item.config))
    before = dict(watch.counts)
    try:
        with watch.forbidden():
            yield
    except Exception as error:  # it fails already: it must also say why
        made = _made(watch, before)
        if made and made not in str(error):
            error.add_note(made)
        raise
    except (pytest.skip.Exception, pytest.xfail.Exception, pytest.fail.Exception) as outcome:
        made = _made(watch, before)
        if made:
            pytest.fail(f"{made}\n{outcome}", pytrace=False)
        raise
    made = _made(watch, before)
    if made:
        pytest.fail(f"{made}\nThe code under test swallowed that error.", pytrace=False)


def _made(watch: "naked.Watch", before: dict[str, int]) -> str:
    """Say which modules connected since then; nothing where none did."""
    modules = sorted(
        module for module, times in watch.counts.items() if times > before.get(module, 0)
    )
    return f"{', '.join(modules)} connects outside any fetch policy." if modules else ""


def _watch(elsewhere: dict[str, str]) -> "naked.Watch":
    from pratique.fetch import naked

    return naked.watch(elsewhere=elsewhere)


def _rule_of_the_run(config: pytest.Config) -> str:
    rule = str(config.getoption(RULE) or config.getini(RULE))
    if rule not in (ALLOW, FAIL):
        raise pytest.UsageError(f'{RULE} = {rule!r} is neither "{FAIL}" nor "{ALLOW}".')
    return rule


def _rule(item: pytest.Item) -> str:
    marker = item.get_closest_marker(MARKER)
    if marker is None:
        return _rule_of_the_run(item.config)
    rule, reason = marker.args[:1], marker.kwargs.get("reason")
    if rule == (FAIL,) or (rule == (ALLOW,) and reason):
        return str(rule[0])
    raise pytest.UsageError(
        f'{item.nodeid}: {MARKER} takes "{FAIL}", or "{ALLOW}" with reason="…".'
    )


def _elsewhere(config: pytest.Config) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in config.getini(ELSEWHERE):
        module, colon, reason = str(line).partition(":")
        if not (colon and module.strip().isidentifier() and reason.strip()):
            raise pytest.UsageError(
                f"{ELSEWHERE}: {line!r} isn't a module's first name, a colon and the reason."
            )
        found[module.strip()] = reason.strip()
    return found
