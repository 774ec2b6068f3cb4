"""Fail closed, also under `python -O`: no check is an `assert`, no exception is swallowed."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, modules

BROAD = frozenset({"Exception", "BaseException"})


def open_doors(module: Module) -> Iterator[str]:
    """Yield one sentence for each `assert`, bare `except`, empty handler or broad `suppress`."""
    for node in ast.walk(module.tree):
        where = f"{module.name}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Assert):
            yield f"{where}: assert: python -O deletes it; raise instead"
        elif isinstance(node, ast.ExceptHandler):
            if node.type is None:
                yield f"{where}: bare except"
            if all(_does_nothing(statement) for statement in node.body):
                yield f"{where}: an exception is swallowed; say which with contextlib.suppress"
        elif isinstance(node, ast.Call) and _suppresses_everything(node):
            yield f"{where}: suppress() of every exception"


def _suppresses_everything(call: ast.Call) -> bool:
    is_suppress = ast.unparse(call.func).endswith("suppress")
    return is_suppress and any(ast.unparse(argument) in BROAD for argument in call.args)


def _does_nothing(statement: ast.stmt) -> bool:
    is_ellipsis = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass) or is_ellipsis


def test_nothing_under_src_fails_open() -> None:
    """No assert, no swallowed exception."""
    assert [sentence for module in modules() for sentence in open_doors(module)] == []


@pytest.mark.parametrize(
    "planted",
    [
        "def f(x):\n    assert x\n",
        "try:\n    f()\nexcept ValueError:\n    pass\n",
        "try:\n    f()\nexcept:\n    raise\n",
        "try:\n    f()\nexcept ValueError:\n    ...\n",
        "with contextlib.suppress(Exception):\n    f()\n",
    ],
)
def test_an_open_door_is_found(planted: str) -> None:
    """Each part of the rule bites."""
    assert list(open_doors(Module("core/a.py", planted))) != []


def test_an_exception_that_becomes_a_refusal_passes() -> None:
    """The twin: everything may be caught, and something must come of it."""
    text = "try:\n    f()\nexcept Exception as error:\n    raise Refused from error\n"
    assert list(open_doors(Module("core/a.py", text))) == []
