"""One file a sender.

`providers.stripe(secrets=…)`, `providers.get("stripe")`, `providers.names()`.
"""

from pratique.webhook.catalogue import attribute as __getattr__
from pratique.webhook.catalogue import get, load, names

from .generic import generic

load(__name__)

__all__ = ["__getattr__", "generic", "get", "names"]
