"""Write the reference from docstrings and declarations: a page a face, a heading a public name.

`scripts/documentation.py` asks it for the pages, a test for what has a heading.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from scripts.docstring import as_markdown
from scripts.signature import annotation_of, prefix, returned_by, signature

_FACES: Final = (
    "pratique",
    "pratique.core",
    "pratique.core.claim",
    "pratique.core.proven",
    "pratique.core.refusal",
    "pratique.core.secret",
    "pratique.core.waiver",
    "pratique.core.checklist",
    "pratique.core.proofs",
    "pratique.core.proofs.authentic",
    "pratique.core.proofs.authentic.cache",
    "pratique.core.proofs.authentic.jwt",
    "pratique.core.proofs.authentic.rfc9421",
    "pratique.core.proofs.authentic.thumbprint",
    "pratique.webhook",
    "pratique.webhook.providers",
    "pratique.service",
    "pratique.client",
    "pratique.client.ownership",
    "pratique.partner",
    "pratique.partner.breaker",
    "pratique.partner.retry",
    "pratique.fetch",
    "pratique.fetch.naked",
    "pratique.forwarded",
    "pratique.forwarded.presets",
    "pratique.keys",
    "pratique.policy",
    "pratique.stores",
    "pratique.stores.sqlalchemy_store.proven_session",
    "pratique.events",
    "pratique.events.otel",
    "pratique.events.prometheus",
    "pratique.report",
    "pratique.unsafe",
    "pratique.cli",
    "pratique.testing",
    "pratique.integrations",
    "pratique.integrations.aiohttp",
    "pratique.integrations.aiohttp_onward",
    "pratique.integrations.django",
    "pratique.integrations.django.rest",
    "pratique.integrations.django.session",
    "pratique.integrations.fastapi",
    "pratique.integrations.flask",
    "pratique.integrations.httpx",
    "pratique.integrations.httpx2",
    "pratique.integrations.httpx_onward",
    "pratique.integrations.requests",
    "pratique.integrations.requests_onward",
    "pratique.integrations.starlette",
    "pratique.integrations.tls",
    "pratique.integrations.uvicorn",
    "pratique.integrations.wsgi",
)
_IMPORT: Final = re.compile(r"^from (pratique[\w.]*) import ", re.MULTILINE)


def _pages() -> tuple[str, ...]:
    """Return every face, and the modules below them that a page imports from."""
    root = Path(__file__).parents[1]
    told = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
    imported = {name for page in told for name in _IMPORT.findall(page.read_text("utf-8"))}
    return tuple(sorted({*_FACES, *imported}))


PAGES: Final = _pages()


def names_of(module: ModuleType) -> list[str]:
    """Return the public names of a module: its `__all__`, else what it defines."""
    if hasattr(module, "__all__"):
        return [name for name in module.__all__ if not name.startswith("_")]
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (
            name in _documented(module)
            or (
                (inspect.isroutine(value) or inspect.isclass(value))
                and value.__module__ == module.__name__
            )
        )
    ]


def page_of(name: str) -> str:
    """Return the page of one module, in Markdown.

    Args:
        name: In full. What needs Django needs its settings too.

    Raises:
        ModuleNotFoundError: the module needs a library that isn't installed.
    """
    module = importlib.import_module(name)
    lines = [f"# {name}", "", as_markdown(inspect.getdoc(module) or "")]
    for each in names_of(module):
        lines += ["", *_entry(module, each)]
    if name == "pratique.webhook.providers":
        lines += ["", *_providers(module)]
    return "\n".join(lines).rstrip() + "\n"


def file_of(name: str) -> str:
    """Return the file of a module's page, below the reference."""
    return f"{name}.md"


def _entry(module: ModuleType, name: str) -> Iterator[str]:
    value = getattr(module, name)
    yield f"## {name}"
    yield ""
    if inspect.ismodule(value):
        link = f" [Its names]({file_of(value.__name__)})." if value.__name__ in PAGES else ""
        yield f"The module `{value.__name__}`: {_first(value)}{link}"
    elif inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield from _code(f"{prefix(value)}{name}{signature(value)}")
        yield as_markdown(inspect.getdoc(value) or "")
    else:
        yield from _code(f"{name}: {type(value).__name__}")
        yield as_markdown(_constant(module, name) or inspect.getdoc(type(value)) or "")


def _class(name: str, cls: type) -> Iterator[str]:
    if issubclass(cls, Enum):
        yield from _code("\n".join(f"{name}.{member.name} = {member.value!r}" for member in cls))
    else:
        shown = "" if getattr(cls, "_is_protocol", False) else signature(cls)
        yield from _code(f"class {name}{shown}")
    yield as_markdown(inspect.getdoc(cls) or "")
    fields = _fields(cls)
    if fields:
        told = "\n".join(
            f"{field}: {textwrap.indent(text, '    ').strip()}" for field, text in fields.items()
        )
        yield ""
        yield as_markdown(f"Attributes:\n{textwrap.indent(told, '    ')}")
    for method, found in _methods(cls):
        doc = inspect.getdoc(found) or ""
        if not doc:
            continue
        yield ""
        yield f"### {name}.{method}"
        yield ""
        if isinstance(found, property):
            yield from _code(f"{method}: {annotation_of(returned_by(found.fget))}")
        else:
            function = found.__func__ if isinstance(found, staticmethod | classmethod) else found
            yield from _code(f"{prefix(function)}{method}{signature(function)}")
        yield as_markdown(doc)


def _methods(cls: type) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for each in cls.__mro__:
        if not each.__module__.startswith("pratique"):
            continue
        for name, found in vars(each).items():
            if name.startswith("_") or name in seen:
                continue
            if isinstance(found, property | staticmethod | classmethod) or inspect.isfunction(
                found
            ):
                seen.add(name)
                yield name, found


def _providers(module: Any) -> Iterator[str]:
    for found in pkgutil.iter_modules(module.__path__):
        if found.name not in names_of(module):
            provider = importlib.import_module(f"{module.__name__}.{found.name}")
            yield f"## {found.name}"
            yield ""
            yield as_markdown(inspect.getdoc(provider) or "")
            yield ""


def _code(text: str) -> Iterator[str]:
    yield "```python"
    yield text
    yield "```"
    yield ""


def _first(module: ModuleType) -> str:
    return (inspect.getdoc(module) or "").partition("\n\n")[0].replace("\n", " ")


def _constant(module: ModuleType, name: str) -> str:
    """Return what stands below a constant's assignment, where it is assigned."""
    while (tree := _tree(module)) is not None:
        if name in (documented := _documented(module)):
            return documented[name]
        source = next(
            (
                node
                for node in tree.body
                if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names)
            ),
            None,
        )
        if source is None:
            return ""
        package = module.__name__ if hasattr(module, "__path__") else module.__package__
        module = importlib.import_module("." * source.level + (source.module or ""), package)
    return ""


def _documented(module: ModuleType) -> dict[str, str]:
    tree = _tree(module)
    return _told_below(tree.body if tree else [])


def _told_below(body: list[ast.stmt]) -> dict[str, str]:
    """Return the text that stands below each assignment which has one."""
    found: dict[str, str] = {}
    for node, below in pairwise(body):
        if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
            continue
        for name in _assigned(node):
            found[name] = inspect.cleandoc(str(below.value.value))
    return found


def _fields(cls: type) -> dict[str, str]:
    """Return the text of each public attribute of a class that has one below it."""
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.startswith("pratique"):
            tree = ast.parse(textwrap.dedent(inspect.getsource(each)))
            found |= _told_below(tree.body[0].body)  # type: ignore[attr-defined]
    return {name: text for name, text in found.items() if not name.startswith("_")}


def _assigned(node: ast.stmt) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _tree(module: ModuleType) -> ast.Module | None:
    file = getattr(module, "__file__", None)
    return ast.parse(Path(file).read_text(encoding="utf-8")) if file else None
