"""The forwarded boundary: a gateway says who the client is, and is believed where it is ours."""

from . import presets
from .boundary import Forwarded
from .origin import Origin, origin_of
from .policy import ProxyPolicy
from .settings import load_proxy_policy, proxy_policy_from_environment

__all__ = [
    "Forwarded",
    "Origin",
    "ProxyPolicy",
    "load_proxy_policy",
    "origin_of",
    "presets",
    "proxy_policy_from_environment",
]
