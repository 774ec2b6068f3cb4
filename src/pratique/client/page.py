"""Some of the rows that belong to a caller: a page, and where the next one begins."""

from typing import Generic, TypeVar

import msgspec

O = TypeVar("O")  # noqa: E741  the object


class Page(msgspec.Struct, Generic[O], frozen=True):
    """Some of the caller's own rows, in the order of their keys.

    Attributes:
        rows: In the request's own session; empty where the caller has none.
        next: What to send as `after` for the next page, "" at the end.
    """

    rows: tuple[O, ...]
    next: str
