"""What a forked child makes anew: of its parent's threads it has only the one that forked.

A lock that another thread held at that moment stays locked in the child for ever, a count of what
is under way never falls again, and a pool has no thread left.
"""

import os
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

_made: Final[WeakKeyDictionary[object, dict[str, Callable[[], object]]]] = WeakKeyDictionary()
_forks: Final = [0]


def renew_after_fork(holder: object, **made: Callable[[], object]) -> None:
    """Make attributes of a holder anew in every child that this process forks.

    A child makes them before anything else runs in it. What the forking thread itself holds in a
    `with` it lets go as ever: the attribute is another lock then. The holder is kept weakly.

    Args:
        holder: Has these attributes by now.
        made: () -> the new value, by the attribute's name; it never raises.

    Raises:
        AttributeError: it has none of that name.
    """
    for name in made:
        getattr(holder, name)
    _made[holder] = made


def generation() -> int:
    """Return a number that differs between a process and the child that it forks.

    It costs no system call, as `os.getpid` does.
    """
    return _forks[0]


def _forked() -> None:
    _forks[0] += 1
    for holder, made in tuple(_made.items()):
        for name, make in made.items():
            setattr(holder, name, make())


os.register_at_fork(after_in_child=_forked)
