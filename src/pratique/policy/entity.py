"""Cedar's entities: what is handed to a decision, and how a value of ours is written for it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

_ESCAPES: Final = frozenset({"__entity", "__extn", "__expr"})
"""Names by which Cedar's JSON says that a record is something else. Source: Cedar, "Entities and
context syntax"."""


@dataclass(frozen=True, slots=True)
class Entity:
    """One entity, with the attributes that policies read and the parents that it is `in`.

    As an attribute's value it is a reference to that entity.

    Args:
        type: "User", "Shop::Order". Ours, never a claim.
        id: Not empty.
        attributes: Values that Cedar has: bool, int of 64 bits, text, list, record (a mapping),
            `Entity`, `Extension`.
        parents: One without attributes and parents of its own is only named.

    Raises:
        ValueError: the type or the id is no text, or empty.
    """

    type: str
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parents: "Sequence[Entity]" = ()

    def __post_init__(self) -> None:
        """Refuse what names nothing."""
        for name in ("type", "id"):
            if type(getattr(self, name)) is not str or not getattr(self, name):
                message = f"an entity's {name} is a text that isn't empty: str(row.id)"
                raise ValueError(message)

    @property
    def uid(self) -> dict[str, str]:
        """Return its name in Cedar's JSON."""
        return {"type": self.type, "id": self.id}

    @property
    def is_only_named(self) -> bool:
        """Say whether nothing is known of it but its name."""
        return not self.attributes and not self.parents


@dataclass(frozen=True, slots=True)
class Extension:
    """A value of one of Cedar's extension types.

    Args:
        function: "ip", "decimal", "datetime", "duration".
        argument: Its text: "10.0.0.1".
    """

    function: str
    argument: str


def written_slice(named: Sequence[Entity], more: Iterable[Entity] = ()) -> list[dict[str, Any]]:
    """Write entities with their parents, and their parents' parents, each once.

    Args:
        named: The principal and the resource: written even where they are only named.
        more: What policies read besides.

    Raises:
        ValueError: two of one name differ, or a value isn't one that Cedar has.
    """
    found: dict[tuple[str, str], Entity] = {}
    kept = {(one.type, one.id): one for one in named}
    waiting = [*named, *more]
    while waiting:
        one = waiting.pop()
        if one.is_only_named:
            continue
        known = found.setdefault((one.type, one.id), one)
        if known is one:
            waiting.extend(one.parents)
        elif known != one:
            message = f"two entities of the type {one.type} have one id and differ"
            raise ValueError(message)
    return [
        {
            "uid": one.uid,
            "attrs": written_record(one.attributes),
            "parents": [parent.uid for parent in one.parents],
        }
        for one in (kept | found).values()
    ]


def written_record(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write a record in Cedar's JSON.

    Raises:
        ValueError: a value isn't one that Cedar has, or a name is one by which Cedar's JSON
            escapes: text of somebody else must not turn into an entity (CWE-843).
    """
    written: dict[str, Any] = {}
    for name, value in record.items():
        if type(name) is not str or name in _ESCAPES:
            message = "a record has a name that Cedar's JSON keeps for itself, or that is no text"
            raise ValueError(message)
        written[name] = _written(value)
    return written


def _written(value: object) -> Any:
    if isinstance(value, Entity):
        return {"__entity": value.uid}
    if isinstance(value, Extension):
        return {"__extn": {"fn": value.function, "arg": value.argument}}
    if isinstance(value, Mapping):
        return written_record(cast("Mapping[str, Any]", value))
    if isinstance(value, list | tuple | set | frozenset):
        return [_written(one) for one in cast("Iterable[object]", value)]
    if isinstance(value, str | int):  # bool is an int
        return value
    message = f"an attribute is {type(value).__name__}, and Cedar has no such value"
    raise ValueError(message)
