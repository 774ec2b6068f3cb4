"""What surrounds the calls of a pool: made where it is asked, entered where it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident

import pytest

from pratique.core import threads
from pratique.core.threads import Pool, surround_each_call


def test_a_context_surrounds_each_call_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, however often it is registered; it is left too where the call raises. None is fine."""
    monkeypatch.setattr(threads, "_surrounding", [])
    seen: list[tuple[str, bool]] = []
    here = get_ident()

    def surround() -> object:
        seen.append(("made", get_ident() == here))
        return inside()

    @contextmanager
    def inside() -> Iterator[None]:
        seen.append(("entered", get_ident() == here))
        try:
            yield
        finally:
            seen.append(("left", get_ident() == here))

    pool = Pool(1)
    assert pool.submit(len, "abc").result() == 3
    for _ in range(2):
        surround_each_call(surround)  # type: ignore[arg-type]
    assert pool.submit(len, "abc").result() == 3
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result()
    pool.close()
    assert seen == [("made", True), ("entered", False), ("left", False)] * 2
