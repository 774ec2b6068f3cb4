"""A package's `__init__.py` is a face: docstring, imports, `__all__`, and nothing that runs."""

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.source import PACKAGE, WEB_FRAMEWORKS, Module, modules

MAX_FACE_LINES = 40
MAX_TOP_NAMES = 15
# A catalogue's face imports each module of its folder, so that a new one is one new file and no
# other line: it may also hold assignments and calls, still no function, class, branch or try.
CATALOGUES = frozenset({"webhook/providers/__init__.py"})
# Doors and the command line serve their library; no other face may load one.
SERVES_ITS_LIBRARY = ("integrations", "cli", "demo", "testing", "__main__")


def blemishes(module: Module) -> Iterator[str]:
    """Yield one sentence for each thing in a face that does not belong there."""
    lines = module.text.count("\n")
    if lines >= MAX_FACE_LINES:
        yield f"{module.name}: {lines} lines, a face has fewer than {MAX_FACE_LINES}"
    if ast.get_docstring(module.tree) is None:
        yield f"{module.name}: no docstring"
    body = module.tree.body[1:] if ast.get_docstring(module.tree) else module.tree.body
    for node in body:
        if not _may_stand_in_a_face(node, is_catalogue=module.name in CATALOGUES):
            yield f"{module.name}:{node.lineno}: {type(node).__name__} in a face"
    if body and not any(_is_all(node) for node in body):
        yield f"{module.name}: no __all__"


def _may_stand_in_a_face(node: ast.stmt, *, is_catalogue: bool) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom) or _is_all(node):
        return True
    return is_catalogue and isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
    )


def _names_in_all(module: Module) -> list[str]:
    for node in module.tree.body:
        if _is_all(node) and isinstance(node, ast.Assign):
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def test_every_face_is_a_face() -> None:
    """No `__init__.py` under src holds code."""
    assert [s for module in modules() if module.is_face for s in blemishes(module)] == []


def test_the_top_face_shows_at_most_fifteen_names() -> None:
    """`pratique` itself can be learnt in one look."""
    top = [module for module in modules() if module.name == "__init__.py"]
    assert all(len(_names_in_all(module)) <= MAX_TOP_NAMES for module in top)


def test_what_is_named_in_all_is_there_once() -> None:
    """`from pratique.x import *` works for every face, and no name stands twice."""
    for module in modules():
        names = _names_in_all(module)
        assert len(names) == len(set(names)), module.name


def test_no_face_below_the_doors_loads_a_framework() -> None:
    """Importing any package of floors 1 and 2 loads no framework, driver or client: extras."""
    faces = [
        module.name.removesuffix("/__init__.py").removesuffix("__init__.py").replace("/", ".")
        for module in modules()
        if module.is_face and not module.name.startswith(SERVES_ITS_LIBRARY)
    ]
    if not faces:
        pytest.skip("no package under src yet")
    names = [f"pratique.{face}".rstrip(".") for face in faces]
    extras = [*sorted(WEB_FRAMEWORKS), "asyncpg", "psycopg", "redis", "rich", "sqlalchemy"]
    extras += ["httpcore", "httpcore2", "httpx", "httpx2", "stripe", "typer"]
    script = (
        f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
        f"print([name for name in {extras!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(PACKAGE.parent)},
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize(
    "planted",
    [
        "import os\n__all__ = []\n",
        '"""Doc."""\nimport os\n',
        '"""Doc."""\n__all__ = []\ntry:\n    import x\nexcept ImportError:\n    pass\n',
        '"""Doc."""\n__all__ = []\ndef f(): ...\n',
        '"""Doc."""\n__all__ = []\n' + "import os\n" * 40,
    ],
    ids=["no docstring", "no __all__", "a try", "a function", "too long"],
)
def test_a_face_with_a_blemish_is_found(planted: str) -> None:
    """Each part of the rule bites."""
    assert list(blemishes(Module("webhook/__init__.py", planted))) != []


def test_a_plain_face_passes() -> None:
    """The twin: docstring, imports, `__all__`."""
    face = '"""Doc."""\n\nfrom .a import b\n\n__all__ = ["b"]\n'
    assert list(blemishes(Module("webhook/__init__.py", face))) == []
