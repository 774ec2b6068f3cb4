"""`pytest --pratique`: one item for each claim with an example and each attack on it."""

import importlib
import inspect
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

import pytest

from pratique.core.callback import place_of
from pratique.core.perimeter import Perimeter
from pratique.report.evidence import evidence_of
from pratique.report.tested import Tried, merged, read_tested, write_tested

from .attacking import HONEST, Doesnt, Trial, attack_ids, counterexamples_of, says_no
from .examples import Counterexample, Example

APP: Final = "pratique_app"
TRIAL: Final = "__pratique_trial__"
_WITHOUT_APP: Final = frozenset({"fetch", "partner"})
"""Boundaries of what goes out: they are called by themselves, and not by a request."""
_BY_ITSELF: Final = frozenset({*_WITHOUT_APP, "forwarded"})
"""Those that can be called so, where no application is named."""


class Trying(pytest.Function):
    """An item of ours, under the name of what is tried."""

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return its title in words: pytest takes the dots of a name for folders otherwise."""
        path, line, _ = super().reportinfo()
        return Path(path), line, self.name.replace("::", " ")


class Attacks:
    """The part of the plugin that `--pratique` turns on.

    Args:
        root: Where the file of results is relative to.
        file: Its path.
    """

    def __init__(self, root: Path, file: str) -> None:
        self.path = root / file
        self.tested: list[Tried] = []
        self._examples: list[Example] = []
        self._digests: dict[tuple[str, str], str] = {}

    def pytest_pycollect_makeitem(
        self, collector: pytest.Module | pytest.Class, name: str, obj: object
    ) -> list[pytest.Item] | None:
        """Make the items of an example, and the one of a counterexample."""
        if isinstance(obj, Counterexample):
            title = f"pratique::counterexample::{name}"
            return [_item(collector, title, _judging(obj))]
        if not isinstance(obj, Example):
            return None
        found = obj
        self._examples.append(found)
        head = f"pratique::{found.boundary.name}::{found.claim}"
        own = [
            _item(collector, f"{head}::counterexample", _judging(each))
            for each in counterexamples_of(found)
        ]
        return own + [
            _item(collector, f"{head}::{number}", self._trying(Trial(found, number)))
            for number in (HONEST, *attack_ids(found.boundary))
        ]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write what was tested."""
        if hasattr(session.config, "workerinput") or not self.tested:
            return
        kept = merged(read_tested(self.path), self.tested, self._digests)
        write_tested(self.path, kept)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was tested, and which claims have no example."""
        bare = sorted(self._without_example())
        if self.tested:
            terminalreporter.write_line(f"pratique: {len(self.tested)} results in {self.path.name}")
        if bare:
            terminalreporter.write_line(f"pratique: without an example: {', '.join(bare)}")

    def _perimeters(self) -> list[Perimeter]:
        known = {id(e.boundary.perimeter): e.boundary.perimeter for e in self._examples}
        return [perimeter for perimeter in known.values() if perimeter is not None]

    def _without_example(self) -> Iterable[str]:
        has = {(e.boundary.name, e.declaration.name) for e in self._examples}
        for perimeter in self._perimeters():
            for boundary in perimeter.boundaries:
                for each in boundary.declarations():
                    if (boundary.name, each.name) not in has:
                        yield f"{boundary.name} {each.name}".strip()

    def _trying(self, trial: Trial) -> Callable[..., None]:
        kind = trial.example.boundary.kind
        is_alone = kind in _WITHOUT_APP

        def attack(**given: Any) -> None:
            app = None if is_alone else given.pop(APP)
            declared = trial.example.declaration.name
            if kind in _BY_ITSELF:
                _start(trial.example)
            told: object = trial.example.make(**given)
            outcome, failure = "failed", ""
            try:
                trial.run(told, app)
                outcome = "admitted" if trial.id == HONEST else "refused"
            except Doesnt as doesnt:
                outcome = ""
                pytest.skip(str(doesnt))
            except AssertionError as error:
                failure = str(error)
            finally:
                if outcome:
                    self._keep(trial, declared, outcome)
            if failure:
                pytest.fail(failure, pytrace=False)

        setattr(attack, TRIAL, trial)
        return _taking(attack, trial.example.make, *(() if is_alone else (APP,)))

    def _keep(self, trial: Trial, claim: str, outcome: str) -> None:
        boundary = trial.example.boundary
        # Which secret is live, and so which roots there are, is known once it has started.
        if boundary.perimeter is None or not boundary.perimeter.is_started:
            return
        if (boundary.name, claim) not in self._digests:
            self._digests.update(_digests(boundary.perimeter))
        digest = self._digests[boundary.name, claim]
        now = datetime.now(UTC)
        self.tested.append(Tried(boundary.name, claim, trial.id, digest, outcome, now))


def _digests(perimeter: Perimeter) -> dict[tuple[str, str], str]:
    return {
        (boundary.name, claim.name): claim.digest
        for boundary in evidence_of(perimeter).boundaries
        for claim in boundary.claims
    }


def app_of(request: pytest.FixtureRequest, where: str) -> object:
    """Return the application that a test attacks, None where a forwarded boundary needs none.

    Args:
        request: Of the item.
        where: What the ini file names.

    Raises:
        pytest.UsageError: see `app_named`.
    """
    trial = getattr(getattr(request.node, "obj", None), TRIAL, None)
    if not where and isinstance(trial, Trial) and trial.example.boundary.kind in _BY_ITSELF:
        return None
    return app_named(where)


def app_named(where: str) -> object:
    """Return the application that the ini file names: "shop.main:app".

    Raises:
        pytest.UsageError: it names none.
    """
    module, colon, name = where.partition(":")
    if not (module and colon and name):
        raise pytest.UsageError(f'{APP} = {where!r} isn\'t "module:name".')
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise pytest.UsageError(f"{APP} = {where!r}: {error}.") from None


def _item(
    collector: pytest.Module | pytest.Class, name: str, call: Callable[..., None]
) -> pytest.Item:
    made: Any = Trying
    return cast("pytest.Item", made.from_parent(collector, name=name, callobj=call))


def _judging(made: Counterexample) -> Callable[..., None]:
    def judge(**given: Any) -> None:
        if not says_no(made.judge, tuple(made.make(**given))):
            pytest.fail(f"{place_of(made.judge)} says yes to its counterexample.", pytrace=False)

    return _taking(judge, made.make)


def _taking(call: Callable[..., None], make: Callable[..., Any], *more: str) -> Callable[..., None]:
    """Let a callable ask for the fixtures that another one names, and for more."""
    known = inspect.signature(make).parameters
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    names = [*(name for name in known if name not in more), *more]
    wanted = [inspect.Parameter(name, kind) for name in names]
    setattr(call, "__signature__", inspect.Signature(wanted))  # noqa: B010  pytest reads it
    return call


def _start(example: Example) -> None:
    perimeter = example.boundary.perimeter
    if perimeter is not None and not perimeter.is_started:
        perimeter.start()
