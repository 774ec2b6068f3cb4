"""The fetch boundary: a URL that somebody else influences leads only where the policy says."""

from . import naked
from .address import is_globally_reachable
from .boundary import Fetch
from .credential import Credential
from .egress import EgressProxy
from .fetcher import AsyncFetcher, Fetcher
from .flow import Response
from .gate import Target, gate
from .internal import Internal
from .policy import PUBLIC, FetchPolicy
from .settings import load_policy, policy_from_environment

__all__ = [
    "PUBLIC",
    "AsyncFetcher",
    "Credential",
    "EgressProxy",
    "Fetch",
    "FetchPolicy",
    "Fetcher",
    "Internal",
    "Response",
    "Target",
    "gate",
    "is_globally_reachable",
    "load_policy",
    "naked",
    "policy_from_environment",
]
