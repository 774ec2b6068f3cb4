"""How one script is sent: by when it must be done, once more where that is harmless, or not at all.

Generators that yield commands, so that both faces send alike.
"""

import re
from collections import deque
from collections.abc import Generator
from time import monotonic
from typing import Any, Final, TypeVar

from redis.exceptions import (
    ConnectionError as Disconnected,
)
from redis.exceptions import (
    NoScriptError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as TooLate,
)

from pratique.core.refusal import StoreError

from .steps import Ask, Asked, Raw, Scan, withdrawal

T = TypeVar("T")
Command = tuple[Any, ...]
Talk = Generator[Command, Any, T]
NO_END: Final = 1 << 52
"""Milliseconds since 1970; Lua has it exactly."""
LEARNED_AGAIN: Final = 10.0
"""Seconds. Two clocks that differ by 500 ppm, the most that NTP slews, part by 5 ms meanwhile."""
MAX_UNKNOWN: Final = 10_000
_CODE: Final = re.compile(r"(?:^|: -)([A-Z]{2,16}) ")
"""What an answer of Redis begins with that says what kind of error it is, also out of a script."""


class Unsure(StoreError):
    """Whether Redis did it isn't known."""


class ServerClock:
    """What the server's clock says at least, by ours that never jumps."""

    __slots__ = ("_ahead", "_learned")

    def __init__(self) -> None:
        self._ahead = 0.0
        self._learned = -LEARNED_AGAIN

    @property
    def is_known(self) -> bool:
        """Say whether it was learned a moment ago."""
        return monotonic() - self._learned < LEARNED_AGAIN

    def learn(self, server_ms: int) -> None:
        """Take the time out of an answer that came just now: it is later there, never earlier."""
        self._learned = monotonic()
        self._ahead = server_ms - self._learned * 1000

    def at(self, moment: float) -> int:
        """Return what the server's clock says, in ms since 1970, at a moment of ours."""
        return int(moment * 1000 + self._ahead)


class Talker:
    """What is remembered between calls, for the one face and for the other.

    Args:
        timeout: For one answer; seconds.
        has_nodes: Whether it is a cluster.
    """

    def __init__(self, timeout: float, *, has_nodes: bool) -> None:
        self.timeout = timeout
        self._has_nodes = has_nodes
        self.unknown: deque[tuple[bytes, bytes]] = deque(maxlen=MAX_UNKNOWN)
        self._clocks: dict[str, ServerClock] = {}

    def tell(self, asked: Asked) -> Talk[list[Any]]:
        """Send one script, what is still to be given back before it; return its answer.

        Raises:
            StoreError: down, full, not in time.
        """
        end = monotonic() + self.timeout
        if not isinstance(asked, Ask):
            return (yield from _read(asked))
        while self.unknown:
            yield from self._withdraw(*self.unknown.popleft())
        try:
            return (yield from self._send(asked, end))
        except Unsure:
            self.forgive(asked)
            raise

    def forgive(self, asked: Asked) -> None:
        """Remember what is to be given back: its caller was refused, whether it was done or not."""
        if isinstance(asked, Ask):
            self.unknown.extend((key, asked.call) for key in asked.withdraw)

    def _withdraw(self, key: bytes, call: bytes) -> Talk[None]:
        try:
            yield from self._send(withdrawal(key, call), monotonic() + self.timeout)
        except BaseException:
            self.unknown.append((key, call))
            raise

    def _send(self, ask: Ask, end: float) -> Talk[list[Any]]:
        # Each node of a cluster has a clock of its own.
        place = (yield ("PLACE", ask.key)) if self._has_nodes else ""
        clock = self._clocks.setdefault(place, ServerClock())
        for is_last in (False, True):
            try:
                answer = yield from _once(ask, end, clock)
            except TooLate as error:
                raise Unsure(self._slow()) from error
            except Disconnected as error:
                # A restart closes what the pool has open: once more, where that can't do it twice.
                if is_last or not ask.script.is_repeatable or monotonic() >= end:
                    raise _lost(error) from error
            except (RedisError, RedisClusterException, OSError) as error:
                raise said(error) from error
            else:
                if answer[0] != b"late":
                    return answer
                if monotonic() >= end:
                    break
        raise StoreError(self._slow())

    def _slow(self) -> str:
        return (
            f"Redis didn't answer within {self.timeout:g} s: whether it did it is unknown. What is "
            "late does nothing; a key that it holds is given back at the next call, or when its "
            "lease ends"
        )


_NOBODY: Final = (
    "no Redis listens where stores.redis(url) says. Look whether it runs, and at the host and port "
    "of the URL"
)
_LOST: Final = (
    "the connection to Redis was lost: whether it did it is unknown. A key that it holds is given "
    "back at the next call, or when its lease ends"
)


def _once(ask: Ask, end: float, clock: ServerClock) -> Talk[list[Any]]:
    if ask.script.is_bounded and not clock.is_known:
        clock.learn(_ms(*(yield ("TIME", ask.key))))
    by = clock.at(end) if ask.script.is_bounded else NO_END
    given = (1 + len(ask.more), ask.key, *ask.more, by, ask.call, *ask.args)
    answer: list[Any]
    try:
        answer = yield ("EVALSHA", ask.script.sha, *given)
    except NoScriptError:
        answer = yield ("EVAL", ask.script.text, *given)
    clock.learn(answer[0])
    return answer[1:]


def _lost(error: Disconnected) -> StoreError:
    """Return what is known: it wasn't sent where there was no connection."""
    cause = error.__cause__ or error.__context__
    if isinstance(cause, (StoreError, ConnectionRefusedError)):
        return said(error)
    return Unsure(_LOST)


def _read(asked: Scan | Raw) -> Talk[list[Any]]:
    try:
        if isinstance(asked, Scan):
            return (yield ("SCAN", asked))  # type: ignore[no-any-return]
        return (yield ("RAW", *asked.words))  # type: ignore[no-any-return]
    except ResponseError:
        return []
    except (RedisError, RedisClusterException, OSError) as error:
        raise said(error) from error


def said(error: BaseException) -> StoreError:
    """Return what Redis said, by its code alone: OOM, MISCONF, READONLY, NOAUTH."""
    if isinstance(error, StoreError):
        return error
    cause = error.__cause__ or error.__context__
    if isinstance(cause, StoreError):
        return cause
    if isinstance(cause, ConnectionRefusedError):
        return StoreError(_NOBODY)
    found = _CODE.search(str(error))
    return StoreError(f"Redis: {type(error).__name__}{f' {found[1]}' if found else ''}")


def _ms(seconds: bytes | int, micros: bytes | int) -> int:
    return int(seconds) * 1000 + int(micros) // 1000
