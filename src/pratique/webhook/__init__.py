"""The webhook boundary: provider → handler."""

from . import providers
from .boundary import Webhook
from .event import Event

__all__ = ["Event", "Webhook", "providers"]
