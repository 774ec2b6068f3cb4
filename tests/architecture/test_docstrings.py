"""A file's first line says what lives there; every public name says what it answers."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, modules

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(module: Module) -> Iterator[str]:
    """Yield one sentence for each file or public name without its docstring."""
    if not module.text.startswith('"""') or ast.get_docstring(module.tree) is None:
        yield f"{module.name}:1: the first line is not the docstring"
    for node in module.tree.body:
        if isinstance(node, Definition) and _is_public(node) and not ast.get_docstring(node):
            yield f"{module.name}:{node.lineno}: {node.name} has no docstring"


def _is_public(node: Definition) -> bool:
    return not node.name.startswith("_") and not any(
        ast.unparse(decorator).endswith("overload") for decorator in node.decorator_list
    )


def test_every_file_and_every_public_name_is_documented() -> None:
    """Nothing public under src is left unsaid."""
    assert [sentence for module in modules() for sentence in undocumented(module)] == []


@pytest.mark.parametrize(
    "planted",
    [
        "import os\n",
        "# SPDX-License-Identifier: Apache-2.0\n" + '"""Late."""\n',
        '"""Doc."""\ndef f(): ...\n',
        '"""Doc."""\nclass A: ...\n',
        '"""Doc."""\nasync def f(): ...\n',
    ],
)
def test_a_missing_docstring_is_found(planted: str) -> None:
    """Each part of the rule bites."""
    assert list(undocumented(Module("core/a.py", planted))) != []


def test_a_documented_file_passes() -> None:
    """The twin: a docstring first, private names free."""
    text = '"""Doc."""\ndef f():\n    """Answer."""\ndef _g(): ...\n'
    assert list(undocumented(Module("core/a.py", text))) == []
