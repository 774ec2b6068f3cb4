"""Policies from a TOML file or from the environment: the same words as in code, no others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pratique.core.refusal import BoundaryError
from pratique.core.settings import read_table, read_variables, words_of

from .policy import FetchPolicy

_WORDS: Final = ("hosts", "schemes", "content_types", "protocols", "nat64", "off_limits")
_NUMBERS: Final = ("redirects", "max_wire_bytes", "max_content_bytes")
_ELSEWHERE: Final = ("internal", "proxy", "credentials", "observe")


def load_policy(path: str | Path, table: str) -> FetchPolicy:
    """Return the policy that one table of a TOML file declares.

        [fetch.previews]
        hosts = "public"
        content_types = ["text/html"]
        deadline = 5

    Args:
        path: The file.
        table: "fetch.previews".

    Raises:
        BoundaryError: no such file or table, no TOML, or what `FetchPolicy.of` doesn't know.
    """
    return FetchPolicy.of(read_table(path, table))


def policy_from_environment(
    prefix: str, environment: Mapping[str, str] | None = None
) -> FetchPolicy:
    """Return the policy that variables declare: PREVIEWS_HOSTS, PREVIEWS_DEADLINE.

    Lists are separated by spaces or commas; the deadline is in seconds. Ways inside, a proxy and
    credentials have reasons and secrets: they are declared in code or TOML.

    Args:
        prefix: "PREVIEWS_".
        environment: By default the process's.

    Raises:
        BoundaryError: a variable of that prefix that isn't known (a typo would leave a limit
            unset), is empty or isn't a number.
    """
    texts = read_variables(prefix, environment)
    given = {name: _value(f"{prefix}{name.upper()}", name, text) for name, text in texts.items()}
    if not given:
        raise BoundaryError(f"no variable begins with {prefix!r}: set at least {prefix}HOSTS.")
    return FetchPolicy.of(given)


def _value(variable: str, name: str, text: str) -> Any:
    if name == "hosts" and text.strip() == "public":
        return "public"
    if name in _WORDS:
        return set(words_of(text))
    if name in _ELSEWHERE:
        raise BoundaryError(f"{variable}: {name} is declared in code or TOML, with its reason.")
    try:
        if name == "ports":
            return {int(port) for port in words_of(text)}
        if name in _NUMBERS:
            return int(text)
        return float(text) if name == "deadline" else text
    except ValueError:
        raise BoundaryError(f"{variable} is no number.") from None
