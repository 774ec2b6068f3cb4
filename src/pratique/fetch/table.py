"""A table of settings (TOML, JSON) as the arguments of a policy: known words of a known type."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, Final, cast

from pratique.core.refusal import BoundaryError
from pratique.core.secret import Secret

from .credential import Credential
from .egress import EgressProxy
from .internal import Internal

_SAID: Final[dict[type, str]] = {str: "a text", int: "a whole number", object: "anything"}
_WAY: Final[dict[str, type]] = {"host": str, "network": str, "port": int, "reason": str}
_PROXY: Final[dict[str, type]] = {**_WAY, "credential": object, "enforces": str, "controller": str}
_SECRET: Final[dict[str, type]] = {"env": str}
_CREDENTIAL: Final[dict[str, type]] = {**_SECRET, "field": str, "scheme": str}


def arguments_of(settings: object, public: AbstractSet[str]) -> dict[str, Any]:
    """Return the arguments of a `FetchPolicy` that a table declares.

    Args:
        settings: The arguments by name.
        public: What `hosts = "public"` stands for.

    Raises:
        BoundaryError: a name that isn't known, in it or in a table of it; a value of another type;
            a secret that stands in the table itself.
    """
    given = _members("the table", settings)
    _require_known("the table", given, READERS)
    if given.get("hosts") == "public":
        given["hosts"] = list(public)
    return {name: READERS[name](name, value) for name, value in given.items()}


def _list(name: str, value: object) -> frozenset[Any] | tuple[Any, ...]:
    if isinstance(value, (set, frozenset)):
        return frozenset(cast("AbstractSet[Any]", value))
    if not isinstance(value, (list, tuple)):
        raise BoundaryError(f"FetchPolicy: {name} is {_said(value)}: give a list.")
    return tuple(cast("list[Any]", value))


def _count(name: str, value: object) -> int:
    _require_type(name, value, int)
    return cast("int", value)


def _deadline(name: str, value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BoundaryError(f"FetchPolicy: {name} is {_said(value)}: give a number of seconds.")
    return timedelta(seconds=value)


def _internal(name: str, value: object) -> list[Internal]:
    return [Internal(**_table(f"[[{name}]]", way, _WAY, owed=_WAY)) for way in _list(name, value)]


def _proxy(name: str, value: object) -> EgressProxy:
    given = _table(f"[{name}]", value, _PROXY, owed=_WAY)
    if "credential" in given:
        given["credential"] = _secret(f"[{name}] credential", given["credential"])
    return EgressProxy(**given)


def _credentials(name: str, value: object) -> dict[str, Credential]:
    found: dict[str, Credential] = {}
    for host, told in _members(f"[{name}]", value).items():
        where = f"[{name}.{host!r}]"
        _require_no_literal(where, told)
        given = _table(where, told, _CREDENTIAL, owed=_SECRET)
        found[host] = Credential(_variable(where, given.pop("env")), **given)
    return found


def _secret(where: str, value: object) -> Secret:
    _require_no_literal(where, value)
    return _variable(where, _table(where, value, _SECRET, owed=_SECRET)["env"])


def _variable(where: str, name: str) -> Secret:
    if not name.strip():
        raise BoundaryError(f"FetchPolicy: {where}: env names no variable.")
    return Secret.env(name)


def _require_no_literal(where: str, value: object) -> None:
    # CWE-798: what stands in a file of settings is read by everybody who reads the settings.
    if not isinstance(value, Mapping):
        raise BoundaryError(
            f"FetchPolicy: {where} is {_said(value)}. A secret stands in no table: put it into an "
            'environment variable, and name that: {env = "NAME"}.'
        )


def _table(
    where: str, value: object, types: Mapping[str, type], *, owed: Mapping[str, type]
) -> dict[str, Any]:
    given = _members(where, value)
    _require_known(where, given, types)
    for name, member in given.items():
        _require_type(f"{where} {name}", member, types[name])
    missing = [name for name in owed if name not in given]
    if missing:
        raise BoundaryError(f"FetchPolicy: {where} lacks {', '.join(missing)}.")
    return given


def _members(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise BoundaryError(f"FetchPolicy: {where} is {_said(value)}: give a table.")
    return {str(name): member for name, member in cast("Mapping[object, Any]", value).items()}


def _require_known(where: str, given: Mapping[str, object], known: Mapping[str, object]) -> None:
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise BoundaryError(
            f"FetchPolicy: {where} has no {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )


def _require_type(where: str, value: object, kind: type) -> None:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BoundaryError(f"FetchPolicy: {where} is {_said(value)}: give {_SAID[kind]}.")


def _said(value: object) -> str:
    """Return a value's type, never the value: it may be a secret in the wrong place."""
    return f"of type {type(value).__name__}"


def _as_it_is(_: str, value: object) -> object:
    return value


READERS: Final[Mapping[str, Callable[[str, object], object]]] = {
    **dict.fromkeys(("hosts", "schemes", "ports", "content_types"), _list),
    **dict.fromkeys(("protocols", "nat64", "off_limits"), _list),
    **dict.fromkeys(("redirects", "max_wire_bytes", "max_content_bytes"), _count),
    "deadline": _deadline,
    "internal": _internal,
    "proxy": _proxy,
    "credentials": _credentials,
    "observe": _as_it_is,  # made by `unsafe.observe` in code; the policy refuses anything else
}
"""How each word of a policy is read. One that isn't here isn't known."""
