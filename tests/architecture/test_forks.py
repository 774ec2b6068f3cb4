"""What holds a lock, threads or a thread says what becomes of it in a forked child."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Module, modules

HELD = frozenset(
    "Lock RLock Condition Semaphore BoundedSemaphore Thread Timer ThreadPoolExecutor".split()
)
OF_A_CALL = {
    "core/threads.py": {"Gate"},  # of one crossing, which no forked child goes on with
    "stores/sqlite_writer.py": {"Writer"},  # SqliteStore drops it in a child, with its thread
}
DOORS_OF_OTHERS = ("demo/", "testing/")  # nobody serves with them


def left_behind(module: Module) -> Iterator[str]:
    """Yield one sentence for each attribute that a child would find as its parent left it."""
    for found in ast.walk(module.tree):
        if not isinstance(found, ast.ClassDef) or found.name in OF_A_CALL.get(module.name, ()):
            continue
        renewed = {word.arg for call in _calls(found, "renew_after_fork") for word in call.keywords}
        for node in ast.walk(found):
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                for name in _holding(node):
                    if name not in renewed:
                        yield (
                            f"{module.name}:{node.lineno}: {found.name}.{name} goes over a fork: "
                            f"renew_after_fork(self, {name}=…)"
                        )


def _holding(node: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    """Yield the attributes of `self` that this assignment gives a lock or a thread."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    assert node.value is not None
    if not any(True for name in HELD for _ in _calls(node.value, name)):
        return
    for target in targets:
        for each in target.elts if isinstance(target, ast.Tuple) else [target]:
            if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "self":
                yield each.attr


def _calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        # A lock of asyncio belongs to a loop, and so does whoever waits for it.
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {name, f"threading.{name}"}:
            yield node


def test_nothing_that_serves_is_left_behind_by_a_fork() -> None:
    """A preloaded worker forks while any thread holds any lock: no child waits for ever."""
    serving = [module for module in modules() if not module.name.startswith(DOORS_OF_OTHERS)]
    assert [sentence for module in serving for sentence in left_behind(module)] == []


@pytest.mark.parametrize(
    "planted",
    [
        "self._lock = Lock()",
        "self._lock: Lock = threading.RLock()",
        "self._a, self._lock = 1, Lock()",
        "self._lock = self._pool = ThreadPoolExecutor(3)",
        "self._lock = Lock()\n        renew_after_fork(self, _other=Lock)",
    ],
)
def test_a_lock_that_is_left_behind_is_found(planted: str) -> None:
    """The twin: the smallest classes that break it, and the one that doesn't."""
    text = f"class Store:\n    def __init__(self):\n        {planted}\n"
    assert list(left_behind(Module("stores/planted.py", text)))
    mended = f"{text}        renew_after_fork(self, _a=int, _lock=Lock, _pool=NoneType)\n"
    assert not list(left_behind(Module("stores/planted.py", mended)))
