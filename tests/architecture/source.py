"""The source tree as the house rules see it: paths, syntax trees, imports."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "pratique"
BASE_INSTALL = frozenset({"cryptography", "idna", "msgspec"})
WEB_FRAMEWORKS = frozenset({"aiohttp", "django", "fastapi", "flask", "starlette", "uvicorn"})


@dataclass(frozen=True)
class Module:
    """One file of the package. *name* is its path inside `pratique`, with slashes."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Return its syntax tree."""
        return ast.parse(self.text, filename=self.name)

    @property
    def is_face(self) -> bool:
        """Say whether this is the `__init__.py` of a package."""
        return self.name.endswith("__init__.py")

    @property
    def room(self) -> str:
        """Return the first word of its path: core, webhook, stores, … or the file's own name."""
        return self.name.split("/")[0].removesuffix(".py")

    def imports(self, *, at_run_time: bool = False) -> Iterator[tuple[int, str]]:
        """Yield (line, absolute dotted name) for each import, also inside functions.

        Args:
            at_run_time: Leave out what stands under `if TYPE_CHECKING:`.
        """
        package = ["pratique", *self.name.split("/")[:-1]]
        for node in _walk(self.tree, skip_type_checking=at_run_time):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                start = package[: len(package) - node.level + 1] if node.level else []
                base = ".".join([*start, *([node.module] if node.module else [])])
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def foreign_imports(self, *, at_run_time: bool = False) -> Iterator[tuple[int, str]]:
        """Yield (line, top name) for each import of somebody else's library."""
        for line, name in self.imports(at_run_time=at_run_time):
            top = name.split(".")[0]
            if top != "pratique" and top not in sys.stdlib_module_names:
                yield line, top


def modules() -> list[Module]:
    """Return every module of the package, in order of path."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return [
        Module(path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
    ]


def _walk(node: ast.AST, *, skip_type_checking: bool) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if (
            skip_type_checking
            and isinstance(child, ast.If)
            and "TYPE_CHECKING" in ast.dump(child.test)
        ):
            continue
        yield from _walk(child, skip_type_checking=skip_type_checking)
