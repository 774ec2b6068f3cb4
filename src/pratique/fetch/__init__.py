"""The fetch boundary: a URL that somebody else influences leads only where the policy says."""

from . import naked
from .address import is_globally_reachable
from .boundary import Fetch
from .fetcher import AsyncFetcher, Fetcher
from .flow import Response
from .gate import Target, gate
from .policy import PUBLIC, FetchPolicy, Internal

__all__ = [
    "PUBLIC",
    "AsyncFetcher",
    "Fetch",
    "FetchPolicy",
    "Fetcher",
    "Internal",
    "Response",
    "Target",
    "gate",
    "is_globally_reachable",
    "naked",
]
