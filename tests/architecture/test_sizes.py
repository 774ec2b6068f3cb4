"""A module holds one noun or one verb; a file or a function that outgrows the limit holds two."""

import ast
from collections.abc import Iterator

from tests.architecture.source import Module, modules

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60


def too_long(module: Module) -> Iterator[str]:
    """Yield one sentence for each file or function over the limit; docstrings are free."""
    lines = module.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{module.name}: {lines} lines, at most {MAX_FILE_LINES}: look for the second noun"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = _lines(node)
            if length > MAX_FUNCTION_LINES:
                where = f"{module.name}:{node.lineno}: {node.name}"
                yield f"{where} has {length} lines, at most {MAX_FUNCTION_LINES}"


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None and first.end_lineno is not None:
        length -= first.end_lineno - first.lineno + 1
    return length


def test_no_file_and_no_function_outgrows_its_limit() -> None:
    """Nothing under src has more than 400 lines a file or 60 a function."""
    assert [sentence for module in modules() for sentence in too_long(module)] == []


def test_a_file_at_the_limit_passes_and_one_line_more_does_not() -> None:
    """The rule bites at 401 lines, and not at 400."""
    assert list(too_long(Module("core/a.py", "x = 1\n" * 400))) == []
    assert len(list(too_long(Module("core/a.py", "x = 1\n" * 401)))) == 1


def test_a_function_at_the_limit_passes_and_one_line_more_does_not() -> None:
    """The rule bites at 61 lines of code, and a docstring is free."""
    docstring = '    """Why.\n\n    More.\n    """\n'
    assert list(too_long(Module("core/a.py", "def f():\n" + docstring + "    x = 1\n" * 59))) == []
    assert len(list(too_long(Module("core/a.py", "def f():\n" + "    x = 1\n" * 60)))) == 1
