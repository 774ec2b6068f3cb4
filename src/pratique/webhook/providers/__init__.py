"""One file a sender: `providers.stripe(secrets=…)`, `providers.get("stripe")`, `providers.names()`."""

from typing import TYPE_CHECKING

from pratique.webhook.catalogue import get, load, names

from .generic import generic

if TYPE_CHECKING:
    from pratique.webhook.scheme import Scheme

    def __getattr__(name: str) -> Scheme: ...


load(__name__)

__all__ = ["generic", "get", "names"]
