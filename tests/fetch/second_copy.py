"""The transports of httpx2 once more: as they are where httpcore and httpx aren't installed."""

import sys
from importlib import import_module
from types import ModuleType
from unittest.mock import patch

import pratique.integrations.httpx2

COPIED = (
    "pratique.fetch.wire",
    "pratique.fetch.through",
    "pratique.integrations.transport",
    "pratique.integrations.httpx2",
)
_SECOND: dict[str, ModuleType] = {}


def on_httpcore2() -> ModuleType:
    """Return a second copy of the door of httpx2, whose connections are httpcore2's.

    Everybody else keeps the first one: both libraries are installed here, so that it stands on
    httpcore.
    """
    with patch.dict(sys.modules, {"httpcore": None, "httpx": None}):  # as if they weren't there
        for name in [known for known in sys.modules if known.startswith(COPIED)]:
            del sys.modules[name]
        copy = import_module(pratique.integrations.httpx2.__name__)
        _SECOND.update({name: sys.modules[name] for name in sys.modules if name.startswith(COPIED)})
    for name in COPIED:
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, sys.modules[name])
    return copy


def every_copy(name: str) -> list[ModuleType]:
    """Return both copies of a module, for who changes a constant of it in all clients."""
    return [import_module(name), _SECOND[name]]
