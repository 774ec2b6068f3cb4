"""What the tests of an application that uses pratique can rely on."""

from pratique.core.attack import Request

from .clock import FrozenClock
from .crossings import Crossings, assert_proven, assert_refused
from .delivery import Delivery, delivery
from .examples import Honest, Hop, Question, counterexample, example
from .fake_partner import FakePartner
from .tokens import TokenIssuer, session_cookie

__all__ = [
    "Crossings",
    "Delivery",
    "FakePartner",
    "FrozenClock",
    "Honest",
    "Hop",
    "Question",
    "Request",
    "TokenIssuer",
    "assert_proven",
    "assert_refused",
    "counterexample",
    "delivery",
    "example",
    "session_cookie",
]
