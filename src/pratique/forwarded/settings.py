"""A proxy policy from a TOML file or from the environment: the same words as in code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from pratique.core.refusal import BoundaryError
from pratique.core.settings import read_table, read_variables, require_known, words_of

from .policy import ProxyPolicy

_LISTS: Final = ("trusted", "hosts", "edge_fields")
_TEXTS: Final = ("header", "proto", "host", "missing")
WORDS: Final = (*_LISTS, *_TEXTS, "hops", "internal_clients")
"""What a table and variables may say: the arguments of `ProxyPolicy`."""


def load_proxy_policy(path: str | Path, table: str = "forwarded") -> ProxyPolicy:
    """Return the policy that one table of a TOML file declares.

        [forwarded]
        trusted = ["10.0.0.0/8"]
        header = "x-forwarded-for"
        proto = "x-forwarded-proto"
        hosts = ["api.example.com"]

    Args:
        path: The file.
        table: Which.

    Raises:
        BoundaryError: no such file or table, no TOML, a word that isn't known, a value of another
            type, or what `ProxyPolicy` refuses.
    """
    return _policy(f"[{table}]", read_table(path, table))


def proxy_policy_from_environment(
    prefix: str, environment: Mapping[str, str] | None = None
) -> ProxyPolicy:
    """Return the policy that variables declare: EDGE_TRUSTED, EDGE_HEADER, EDGE_HOSTS.

    Lists are separated by spaces or commas; EDGE_INTERNAL_CLIENTS is "true" or "false".

    Args:
        prefix: "EDGE_".
        environment: By default the process's.

    Raises:
        BoundaryError: no variable of that prefix, one that isn't known, is empty, no number or
            neither true nor false; or what `ProxyPolicy` refuses.
    """
    texts = read_variables(prefix, environment)
    if not texts:
        raise BoundaryError(f"no variable begins with {prefix!r}: set at least {prefix}HOSTS.")
    require_known(f"{prefix}…", texts, WORDS)
    return _policy(f"{prefix}…", {name: _value(prefix, name, text) for name, text in texts.items()})


def _policy(where: str, given: Mapping[str, Any]) -> ProxyPolicy:
    require_known(where, given, WORDS)
    for name, value in given.items():
        if name in _LISTS and not _is_list(value):
            raise BoundaryError(f"{where}: {name} is of type {type(value).__name__}: give a list.")
        if name in _TEXTS and not isinstance(value, str):
            raise BoundaryError(f"{where}: {name} is of type {type(value).__name__}: give a text.")
    return ProxyPolicy(**given)


def _is_list(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    return all(isinstance(each, str) for each in cast("list[object]", value))


def _value(prefix: str, name: str, text: str) -> object:
    text = text.strip()
    if name in _TEXTS:
        return text
    if name in _LISTS:
        return words_of(text)
    read: Callable[[str], object] = int if name == "hops" else _BOOLS.__getitem__
    try:
        return read(text)
    except (ValueError, KeyError):
        said = "a number" if name == "hops" else "true or false"
        raise BoundaryError(f"{prefix}{name.upper()} is not {said}.") from None


_BOOLS: Final = {"true": True, "false": False}
