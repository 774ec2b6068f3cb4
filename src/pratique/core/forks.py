"""What a forked child makes anew: of its parent's threads it has only the one that forked.

A lock that another thread held at that moment stays locked in the child for ever, a count of what
is under way never falls again, and a pool has no thread left.

A file of SQLite is worse: its locks are the process's, and a child that inherits an open file takes
them for its own. Such files are closed before the fork (https://sqlite.org/howtocorrupt.html §2.6).
"""

import os
from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

H = TypeVar("H")

_made: Final[WeakKeyDictionary[object, dict[str, Callable[[], object]]]] = WeakKeyDictionary()
_resting: Final[WeakKeyDictionary[object, Callable[[Any], Callable[[], object]]]] = (
    WeakKeyDictionary()
)
_waking: Final[list[Callable[[], object]]] = []
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


def rest_before_fork(holder: H, rest: Callable[[H], Callable[[], object]]) -> None:
    """Let a holder close what may not go over, before this process forks.

    Args:
        holder: Is kept weakly.
        rest: (holder) -> what wakes it in the parent, right after the fork; neither raises. In the
            child it is renewed instead: see `renew_after_fork`.
    """
    _resting[holder] = rest


def generation() -> int:
    """Return a number that differs between a process and the child that it forks.

    It costs no system call, as `os.getpid` does.
    """
    return _forks[0]


def _forks_now() -> None:
    _waking.extend([rest(holder) for holder, rest in tuple(_resting.items())])


def _goes_on() -> None:
    while _waking:
        _waking.pop()()


def _forked() -> None:
    _forks[0] += 1
    _waking.clear()
    for holder, made in tuple(_made.items()):
        for name, make in made.items():
            setattr(holder, name, make())


os.register_at_fork(before=_forks_now, after_in_parent=_goes_on, after_in_child=_forked)
