"""The library below a fetch: httpcore, or its successor httpcore2, which has the same names."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from pratique.core.refusal import BoundaryError

# httpcore comes first: who installs httpx2 beside it, for something else, changes no fetch by that.
if TYPE_CHECKING or find_spec("httpcore") is not None:
    import httpcore
elif find_spec("httpcore2") is not None:
    import httpcore2 as httpcore
else:
    raise BoundaryError(
        "A fetch needs the library httpcore or httpcore2: "
        'pip install "pratique[fetch]", or "pratique[fetch2]".'
    )

__all__ = ("httpcore",)
