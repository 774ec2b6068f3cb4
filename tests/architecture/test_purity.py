"""Pure in the middle: no clock, socket, loop, thread, disk or chance in core, bar its drivers."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, modules

# The drivers with their threads and timers, and the perimeter that starts and closes them.
DRIVERS = frozenset(
    f"core/{name}.py"
    for name in ("drive", "drive_here", "adrive", "threads", "deadlines", "perimeter", "store_span")
)
# Read the environment or a mounted file once, when the perimeter starts, and never in a flow.
READ_AT_START = frozenset({"core/secret.py", "core/settings.py"})
CRYPTOGRAPHY = "core/proofs/authentic/"

FORBIDDEN_MODULES = frozenset(
    "anyio asyncio concurrent http.client http.server io multiprocessing queue random "
    "sched select selectors shutil signal socket socketserver sqlite3 ssl subprocess tempfile "
    "threading time urllib.request _thread".split()
)
FORBIDDEN_CALLS = frozenset(
    "datetime.now datetime.utcnow datetime.today date.today open input print os.open os.read "
    "os.write os.fdopen os.remove os.unlink os.rename os.replace os.stat os.listdir os.scandir "
    "os.fork os.system os.kill".split()
)
FORBIDDEN_METHODS = frozenset(
    "read_text read_bytes write_text write_bytes exists iterdir touch unlink".split()
)


def impurities(module: Module) -> Iterator[str]:
    """Yield one sentence for each place where a module of core reaches outside."""
    yield from _imports(module)
    if module.name in DRIVERS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef) and not _is_signature(node):
            yield f"{module.name}:{node.lineno}: async def {node.name}: a flow asks, drive awaits"
        elif isinstance(node, ast.Call) and module.name not in READ_AT_START:
            called = ast.unparse(node.func)
            last_two = ".".join(called.split(".")[-2:])
            if last_two in FORBIDDEN_CALLS or called.split(".")[-1] in FORBIDDEN_METHODS:
                yield f"{module.name}:{node.lineno}: {called}(): ask, or take it as an argument"


def _is_signature(function: ast.AsyncFunctionDef) -> bool:
    """Say whether it has no body: a protocol may state what a store on the event loop owes."""
    return all(
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        for statement in function.body
    )


def _imports(module: Module) -> Iterator[str]:
    allowed = {"msgspec"} | ({"cryptography"} if module.name.startswith(CRYPTOGRAPHY) else set())
    for line, name in module.imports():
        reaches_out = any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN_MODULES)
        if reaches_out and module.name not in DRIVERS:
            yield f"{module.name}:{line}: imports {name}"
    for line, top in module.foreign_imports(at_run_time=True):
        if top not in allowed:
            yield f"{module.name}:{line}: imports {top}: neither standard library nor msgspec"


def test_the_core_is_pure() -> None:
    """Time, chance, network and disk are handed to core, never taken by it."""
    core = [module for module in modules() if module.room == "core"]
    assert [sentence for module in core for sentence in impurities(module)] == []


@pytest.mark.parametrize(
    "planted",
    [
        "import time\n",
        "from time import monotonic\n",
        "import asyncio\n",
        "import urllib.request\n",
        "from random import choice\n",
        "from datetime import datetime\nnow = datetime.now()\n",
        "import datetime as d\nnow = d.datetime.now(d.UTC)\n",
        "def f(path):\n    return open(path)\n",
        "def f(path):\n    return path.read_text()\n",
        "async def f():\n    return 1\n",
        "import httpx\n",
        "def f():\n    import sqlalchemy\n",
        "from cryptography.hazmat.primitives import hashes\n",
    ],
)
def test_an_impurity_in_core_is_found(planted: str) -> None:
    """Each part of the rule bites, at the top of a file or inside a function."""
    assert list(impurities(Module("core/fresh.py", planted))) != []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core/drive.py", "import asyncio\nasync def adrive(): ...\n"),
        (
            "core/proofs/authentic/signature.py",
            "from cryptography.hazmat.primitives import hashes\n",
        ),
        ("core/secret.py", "import os\nvalue = os.environ.get('A')\n"),
        (
            "core/store.py",
            'class Store(Protocol):\n    async def close(self) -> None:\n        """End."""\n',
        ),
        (
            "core/fresh.py",
            "from datetime import datetime, timedelta\nimport msgspec\nfrom .claim import Claim\n",
        ),
        (
            "core/boundary.py",
            (
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    from typing_extensions import TypeVar\n"
            ),
        ),
    ],
)
def test_what_is_pure_passes(name: str, text: str) -> None:
    """The twins: a driver drives, one folder knows cryptography, types may be foreign."""
    assert list(impurities(Module(name, text))) == []
