"""The fetch boundary as a connector of aiohttp: one argument more where a session is made.

    session = aiohttp.ClientSession(connector=FetchConnector(policy))

aiohttp follows redirects itself; each hop comes through here and is gated, counted, and freed of
what was meant for another origin. What is refused is both `Refused` and aiohttp's own exception.
"""

from .chain import OverDeadline, RefusedByPolicy
from .connector import FetchConnector

__all__ = ["FetchConnector", "OverDeadline", "RefusedByPolicy"]
