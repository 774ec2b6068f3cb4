"""What an operator sets without code: a table of a TOML file, variables of the environment.

Read once, before the start. A word that isn't known is never passed over: a typo would leave
something unset. What is set and empty isn't "unset".
"""

import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from .refusal import BoundaryError


def read_table(path: str | Path, table: str = "") -> dict[str, Any]:
    """Return one table of a TOML file.

    Args:
        path: The file.
        table: "fetch.previews"; "" for the whole file.

    Raises:
        BoundaryError: no such file or table, or no TOML.
    """
    try:
        with Path(path).open("rb") as file:
            found = cast("Any", tomllib.load(file))
    except (OSError, ValueError) as error:
        raise BoundaryError(f"{Path(path).name} can't be read as TOML: {error}.") from None
    try:
        for name in table.split(".") if table else ():
            found = found[name]
        return dict(found)
    except (KeyError, TypeError, ValueError):
        raise BoundaryError(f"{Path(path).name} has no table [{table}].") from None


def read_variables(prefix: str, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the variables that begin alike, by the rest of their names in lower case.

    Args:
        prefix: "PREVIEWS_".
        environment: By default the process's.

    Raises:
        BoundaryError: the prefix is empty, or a variable is set and empty.
    """
    if not prefix:
        raise BoundaryError("a prefix of variables is empty: every variable begins with that.")
    source = os.environ if environment is None else environment
    found = {name: text for name, text in sorted(source.items()) if name.startswith(prefix)}
    for name, text in found.items():
        if not text.strip():
            raise BoundaryError(f"{name} is set and empty. Unset it, or give it a value.")
    return {name.removeprefix(prefix).lower(): text for name, text in found.items()}


def require_known(where: str, given: Iterable[str], known: Collection[str]) -> None:
    """Refuse words that nothing reads, with those that are near.

    Args:
        where: "pratique.toml", for the sentence.
        given: The words that came.
        known: Those that are read.

    Raises:
        BoundaryError: one isn't known.
    """
    for word in given:
        if word not in known:
            near = get_close_matches(word, known) or sorted(known)
            raise BoundaryError(f"{where} has no {word[:64]!r}. There is: {', '.join(near)}.")


def words_of(text: str) -> list[str]:
    """Return the words of a list in a variable, separated by spaces or commas."""
    return text.replace(",", " ").split()
