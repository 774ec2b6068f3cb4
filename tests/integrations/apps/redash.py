"""The URL data source of Redash, on requests: a query names what is fetched.

Follows github.com/getredash/redash at 26.08.0-dev (commit ca79fe98), in our own words:
redash/utils/requests_session.py `ConfiguredSession`, redash/query_runner/__init__.py
`BaseHTTPQueryRunner.get_response`, redash/query_runner/url.py `Url.run_query`.

The line to change is `requests_session = ConfiguredSession()` in requests_session.py.
"""

from collections.abc import Callable
from typing import Any

import requests

from tests.integrations.apps.told import Told


class UnacceptableAddressError(Exception):
    """Stands for advocate's, a session that Redash can put in the place of requests' own."""


class ConfiguredSession(requests.Session):
    """Follows redirects only where REDASH_REQUESTS_ALLOW_REDIRECTS says so; it doesn't by default."""

    redirects_are_allowed = True

    def request(self, *args: Any, **named: Any) -> requests.Response:
        if not self.redirects_are_allowed:
            named["allow_redirects"] = False
        return super().request(*args, **named)


class CautiousSession(ConfiguredSession):
    """The same as Redash is delivered."""

    redirects_are_allowed = False


def ask(
    url: str,
    new_session: Callable[[], requests.Session] = ConfiguredSession,
    *,
    seconds: float | None = None,  # Redash names no time-out
) -> Told:
    """Run a query that is a URL."""
    with new_session() as requests_session:
        response, error, clause = get_response(requests_session, url, timeout=seconds)
        if error is not None or response is None:
            return Told(None, clause, error or "")
        found = response.content.strip()
    return Told(found) if found else Told(None, "empty", "the answer has no content")


def get_response(
    requests_session: requests.Session, url: str, **named: Any
) -> tuple[requests.Response | None, str | None, str]:
    """Return the response, or what is wrong with it and which clause said so."""
    error: str | None = None
    response: requests.Response | None = None
    clause = ""
    try:
        response = requests_session.request("get", url, auth=None, **named)
        response.raise_for_status()
        if response.status_code != 200:
            error, clause = f"the endpoint answered {response.status_code}", "status"
    except requests.HTTPError:
        error, clause = "the query failed", "HTTPError"
    except UnacceptableAddressError:
        error, clause = "a private address can't be queried", "UnacceptableAddressException"
    except requests.RequestException as exc:
        error, clause = str(exc), "RequestException"
    return response, error, clause
