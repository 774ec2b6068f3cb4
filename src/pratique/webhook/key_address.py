"""Where a sender's keys lie: what a delivery may name, before anything is fetched (CWE-918)."""

import re
from typing import Final

from pratique.core.obligation import AUTHENTIC
from pratique.core.refusal import Refused

MAX_URL: Final = 512


class KeyAddress:
    """Where a sender's keys lie: https, the usual port, one host pattern and one path pattern.

    Nothing else is part of such a URL: no userinfo, other port, query, fragment, escape or upper
    case in the host. A URL that two readers could take apart differently matches nothing.

    Args:
        host: Of the whole host, as a regular expression.
        path: Of the whole path, likewise.
    """

    __slots__ = ("_whole",)

    def __init__(self, *, host: str, path: str) -> None:
        self._whole = re.compile(rf"https://({host})(?::443)?({path})", re.ASCII)

    def holds(self, url: object) -> bool:
        """Say whether a declared URL is one, spelt as `judged` returns it."""
        try:
            return isinstance(url, str) and self.judged(url) == url
        except Refused:
            return False

    def judged(self, url: str) -> str:
        """Return the URL as it is fetched, made of the parts that matched.

        Raises:
            Refused: AUTHENTIC, code "bad_key_address".
        """
        match = self._whole.fullmatch(url) if len(url) <= MAX_URL and url.isascii() else None
        if match is None:
            raise Refused(
                AUTHENTIC,
                "the URL of its certificate isn't where this sender's certificates lie",
                code="bad_key_address",
                hint="nothing was fetched: somebody names a key of their own",
            )
        return f"https://{match.group(1)}{match.group(2)}"
