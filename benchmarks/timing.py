"""How the others measure: interleaved rounds, the least of each, ratios within one run."""

import time
from collections.abc import Callable


def least(
    calls: dict[str, Callable[[], object]], *, loops: dict[str, int], rounds: int = 10
) -> dict[str, float]:
    """Return the least microseconds a call of each, the rounds of all interleaved."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            count = loops[name]
            begin = time.perf_counter()
            for _ in range(count):
                call()
            best[name] = min(best[name], (time.perf_counter() - begin) / count * 1e6)
    return best


def row(what: str, value: float, target: str, *, ok: bool) -> None:
    """Print one line of a table."""
    print(f"{what:<66} {value:>9.2f}  {target:<12} {'ok' if ok else 'SHORT'}")
