"""What a forked child makes anew: of its parent's threads it has only the one that forked.

A lock that another thread held at that moment stays locked in the child for ever, a count of what
is under way never falls again, and a pool has no thread left.

A file of SQLite is worse: its locks are the process's, and a child that inherits an open file takes
them for its own. Such files are closed before the fork (https://sqlite.org/howtocorrupt.html §2.6).

A host that forks in C can do it without Python's hooks, as uWSGI does by default. Nothing was
closed or made anew then: a perimeter that has started in the parent lets nothing cross in that
child.
"""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from mmap import PAGESIZE, mmap
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

H = TypeVar("H")

_made: Final[WeakKeyDictionary[object, dict[str, Callable[[], object]]]] = WeakKeyDictionary()
_resting: Final[WeakKeyDictionary[object, Callable[[Any], Callable[[], object]]]] = (
    WeakKeyDictionary()
)
_waking: Final[list[Callable[[], object]]] = []
_forks: Final = [0]
_untold: Final = [0]
_is_told: Final = [False]
_turn: Final[list[AbstractContextManager[object]]] = [nullcontext()]
_process: Final = [os.getpid()]
_WIPE_ON_FORK: Final = 18
"""MADV_WIPEONFORK of Linux 4.14: a child finds zeros on the page, whoever has forked."""
WITHOUT_HOOKS: Final = (
    "the perimeter started before this process was forked without Python's hooks: its store, sinks "
    "and threads are its parent's, and nothing crosses. uWSGI: set lazy-apps = true, or "
    "py-call-uwsgi-fork-hooks = true."
)


def _wiped_page() -> Any:
    """Return a page that is empty in a child; None where the system has none."""
    if sys.platform != "linux":
        return None
    from mmap import MAP_ANONYMOUS, MAP_PRIVATE

    with suppress(OSError):  # an older kernel
        page = mmap(-1, PAGESIZE, flags=MAP_PRIVATE | MAP_ANONYMOUS)
        page.madvise(_WIPE_ON_FORK)
        page[0] = 1
        return page
    return None


_page: Final = _wiped_page()


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


def take_turns(lock: AbstractContextManager[object]) -> None:
    """Let threads that are the first to ask in a child take turns.

    Args:
        lock: Nobody else takes it, so that no child finds it held.
    """
    _turn[0] = lock


def generation() -> int:
    """Return a number that differs between a process and the child that it forks.

    Also where the host forks without Python's hooks. It costs no system call on Linux.
    """
    untold_forks()
    return _forks[0]


def untold_forks() -> int:
    """Return how many forks on the way to this process Python wasn't told of.

    The first to ask makes anew what `renew_after_fork` names. What should have rested before such a
    fork can't be mended any more: who has opened something before lets it be.
    """
    is_child = os.getpid() != _process[0] if _page is None else not _page[0]
    if is_child:
        _found_out()
    return _untold[0]


def _found_out() -> None:
    # Of two threads that ask first at once, the second would make anew what the first has begun
    # with, and count one fork as two: its perimeter would cross nothing any more.
    with _turn[0]:
        if os.getpid() != _process[0] if _page is None else not _page[0]:
            _forked()


def _forks_now() -> None:
    _is_told[0] = True
    _waking.extend([rest(holder) for holder, rest in tuple(_resting.items())])


def _goes_on() -> None:
    _is_told[0] = False
    while _waking:
        _waking.pop()()


def _forked() -> None:
    _forks[0] += 1
    if not _is_told[0]:  # nothing rested, though a host may call the child's hook alone
        _untold[0] += 1
    _is_told[0] = False
    _process[0] = os.getpid()
    if _page is not None:
        _page[0] = 1
    _waking.clear()
    for holder, made in tuple(_made.items()):
        for name, make in made.items():
            setattr(holder, name, make())


os.register_at_fork(before=_forks_now, after_in_parent=_goes_on, after_in_child=_forked)
