"""The forwarded boundary: a gateway says who the client is, and is believed where it is ours."""

from . import presets
from .boundary import Forwarded
from .origin import Origin, origin_of
from .policy import ProxyPolicy

__all__ = ["Forwarded", "Origin", "ProxyPolicy", "origin_of", "presets"]
