"""The webhook boundary: provider → handler; and our own events the other way."""

from . import providers
from .boundary import Webhook
from .event import Event
from .outgoing import Outgoing
from .receipt import Next, next_step

__all__ = ["Event", "Next", "Outgoing", "Webhook", "next_step", "providers"]
