"""The answer to `pratique forwarded check`: what was proven of that very request.

It is there only while the environment holds a token, and only for a request that carries it.
"""

import json
import os
from hmac import compare_digest
from typing import Final

from pratique.core.refusal import BoundaryError
from pratique.forwarded import Origin
from pratique.forwarded.probes import PATH, TOKEN_VARIABLE

from .reply import Reply, not_there

MIN_TOKEN: Final = 32
"""Characters."""
MAX_TOKEN: Final = 256


class Echo:
    """Tells the holder of a token where its own request comes from.

    Args:
        token: 32 to 256 printable characters of ASCII, random.

    Raises:
        BoundaryError: it is shorter, longer or has other characters.
    """

    def __init__(self, token: str) -> None:
        is_text = token.isascii() and token.isprintable() and " " not in token
        if not (MIN_TOKEN <= len(token) <= MAX_TOKEN and is_text):
            raise BoundaryError(
                f"{TOKEN_VARIABLE} is no token of {MIN_TOKEN} to {MAX_TOKEN} characters: take "
                'python -c "import secrets; print(secrets.token_urlsafe(32))", or unset it.'
            )
        self._token = token.encode()

    def reply(self, path: str, shown: bytes, origin: Origin | None) -> Reply | None:
        """Return the answer to a request for the check's path; None for any other.

        Args:
            path: Of the request.
            shown: The token that it carries.
            origin: What was proven of it; None where the boundary only observes.
        """
        if not path.endswith(PATH):
            return None
        if not compare_digest(shown, self._token):
            return not_there()
        told = (
            {}
            if origin is None
            else {"client": origin.client, "scheme": origin.scheme, "host": origin.host}
        )
        fields = {"content-type": "application/json", "cache-control": "no-store"}
        return Reply(200, fields, json.dumps(told).encode())


def echo_of_environment() -> Echo | None:
    """Return the answer to the check; None where the environment holds no token.

    Raises:
        BoundaryError: what it holds is no token.
    """
    token = os.environ.get(TOKEN_VARIABLE, "")
    return Echo(token) if token else None
