"""The webhook boundary: provider → handler; and our own events the other way."""

from . import providers
from .boundary import Webhook
from .event import Event
from .inbox import Inbox
from .outgoing import Outgoing
from .receipt import Next, next_step
from .worker import Worker
from .working import End, Worked

__all__ = [
    "End",
    "Event",
    "Inbox",
    "Next",
    "Outgoing",
    "Webhook",
    "Worked",
    "Worker",
    "next_step",
    "providers",
]
