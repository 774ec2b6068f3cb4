"""How many forks lie between the first process and this one: told apart without a system call."""

import os
from typing import Final

_forks: Final = [0]


def _forked() -> None:
    _forks[0] += 1


os.register_at_fork(after_in_child=_forked)


def generation() -> int:
    """Return a number that differs between a process and the child that it forks."""
    return _forks[0]
