"""Sockets that nobody closed, told with the test and the lines that made them.

Python warns when such a socket is collected, which is in the middle of whichever test runs then.
Here it is booked to its maker: one that our code had made fails the run, one of a test or of a
library that it tries is printed.
"""

import socket
import sys
from pathlib import Path

OURS = str(Path(__file__).resolve().parent.parent / "src")
FRAMES = 40

current = "no test"
left_open: list[tuple[bool, str]] = []
_made: dict[int, tuple[bool, str]] = {}
"""By id: a weak reference is gone before its socket's finalizer runs."""


def _maker() -> tuple[bool, str]:
    """Return whether our code had the socket made, and the test with the lines that did."""
    frame, lines, ours = sys._getframe(2), list[str](), False
    while frame is not None and len(lines) < FRAMES and not ours:
        file = frame.f_code.co_filename
        if "/_pytest/" in file:
            break
        ours = file.startswith(OURS)
        lines.append(f"{file.rpartition('/')[2]}:{frame.f_lineno}")
        frame = frame.f_back
    return ours, f"{current}: {' < '.join(lines[-4:] if ours else lines[:8])}"


def watch() -> None:
    """Remember each new socket's maker, and note the sockets that are collected while open."""
    opened = socket.socket.__init__

    def made(self: socket.socket, *args: int | None, **named: int | None) -> None:
        opened(self, *args, **named)  # type: ignore[arg-type]
        _made[id(self)] = _maker()

    def collected(self: socket.socket) -> None:
        maker = _made.pop(id(self), (False, f"before {current}"))
        if self.fileno() != -1:
            left_open.append(maker)
            self._real_close()  # type: ignore[attr-defined]

    socket.socket.__init__ = made  # type: ignore[method-assign]
    socket.socket.__del__ = collected  # type: ignore[attr-defined]
