"""Tokens of the next call in requests: no redirect takes one along.

session.get(url, auth=Carried(onward))
"""

from typing import Any

import requests
from requests.auth import AuthBase

from pratique.service.context import FIELD
from pratique.service.onward import Onward


class Carried(AuthBase):
    """Sets the token of one request; requests itself would hand it to whoever it is sent on to.

    Args:
        onward: For whom the call is, and where to.
    """

    def __init__(self, onward: Onward) -> None:
        self._onward = onward

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Set the token, and see to it that the next hop has none."""
        request.headers.update(self._onward.fields_for(request.url or ""))
        request.register_hook("response", _let_go)
        return request


def _let_go(answer: requests.Response, **_: Any) -> None:
    # The next hop's request is a copy of this one, made after this hook.
    answer.request.headers.pop(FIELD, None)
