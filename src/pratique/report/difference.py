"""What changed between two locks, and which way each change leads."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from pratique.core.route import RouteState

from .lock import Lock


class Change(StrEnum):
    """Which way a difference leads."""

    WEAKER = "weaker"
    STRONGER = "stronger"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """One line of the reviewer's view.

    Args:
        change: Which way it leads, as far as the declarations can tell.
        place: "boundary payments invoice.paid", "route GET /orders/{id}".
        text: What was, and what is.
    """

    change: Change
    place: str
    text: str

    def __str__(self) -> str:
        """Write it in one line."""
        return f"{self.change}: {self.place}: {self.text}"


def differences(before: Lock, after: Lock) -> tuple[Difference, ...]:
    """Return what changed between two locks, what got weaker first."""
    found = [*_boundaries(before, after), *_routes(before, after)]
    order = list(Change)
    return tuple(sorted(found, key=lambda each: (order.index(each.change), each.place, each.text)))


def _boundaries(before: Lock, after: Lock) -> Iterator[Difference]:
    old, new = before.get("boundaries", {}), after.get("boundaries", {})
    for name in sorted({*old, *new}):
        place = f"boundary {name}"
        if name not in new:
            yield Difference(Change.WEAKER, place, "is gone")
        elif name not in old:
            mode = new[name]["mode"]
            change = Change.OTHER if mode == "enforced" else Change.WEAKER
            yield Difference(change, place, f"is new: {new[name]['kind']}, {mode}")
            yield from _waived(place, {}, new[name])
        else:
            yield from _boundary(place, old[name], new[name])


def _boundary(place: str, old: Lock, new: Lock) -> Iterator[Difference]:
    if old["mode"] != new["mode"]:
        change = Change.STRONGER if new["mode"] == "enforced" else Change.WEAKER
        yield Difference(change, place, f"{old['mode']} -> {new['mode']}")
    for name in ("kind", "origin"):
        if old[name] != new[name]:
            yield Difference(Change.OTHER, place, f"{name}: {old[name]} -> {new[name]}")
    lost, won = set(old["owes"]) - set(new["owes"]), set(new["owes"]) - set(old["owes"])
    if lost:
        yield Difference(Change.WEAKER, place, f"no longer owes {', '.join(sorted(lost))}")
    if won:
        yield Difference(Change.STRONGER, place, f"owes {', '.join(sorted(won))} too")
    yield from _waived(place, old, new)
    yield from _claims(place, old.get("claims", {}), new.get("claims", {}))


def _waived(place: str, old: Lock, new: Lock) -> Iterator[Difference]:
    for name, claim in new.get("claims", {}).items():
        known = old.get("claims", {}).get(name, {}).get("waived", [])
        for waiver in claim.get("waived", []):
            if waiver not in known:
                yield Difference(Change.WEAKER, f"{place} {name}", f"waives {waiver}")
    for name, claim in old.get("claims", {}).items():
        still = new.get("claims", {}).get(name, {}).get("waived", [])
        for waiver in claim.get("waived", []):
            if waiver not in still and name in new.get("claims", {}):
                yield Difference(Change.STRONGER, f"{place} {name}", f"no longer waives {waiver}")


def _claims(place: str, old: Lock, new: Lock) -> Iterator[Difference]:
    for name in sorted({*old, *new}):
        at = f"{place} {name}"
        if name not in new:
            yield Difference(Change.OTHER, at, "may no longer cross")
        elif name not in old:
            yield Difference(Change.OTHER, at, "may cross now")
        else:
            for key in sorted({*old[name], *new[name]} - {"waived"}):
                was, now = old[name].get(key, []), new[name].get(key, [])
                if was != now:
                    yield _changed(at, key, was, now)


def _changed(place: str, key: str, was: list[str], now: list[str]) -> Difference:
    change = Change.OTHER
    if key != "changes" and (not now or not was):
        change = Change.WEAKER if not now else Change.STRONGER
    return Difference(
        change, place, f"{key}: {' and '.join(was) or '-'} -> {' and '.join(now) or '-'}"
    )


def _routes(before: Lock, after: Lock) -> Iterator[Difference]:
    old, new = before.get("routes", {}), after.get("routes", {})
    strength = {state: place for place, state in enumerate(RouteState)}  # guarded first
    for key in sorted({*old, *new}):
        place = f"route {key}"
        was, now = old.get(key), new.get(key)
        if now is None:
            yield Difference(Change.OTHER, place, "is gone")
            continue
        told = _told(now)
        if was is None:
            change = Change.OTHER if now[0] == RouteState.GUARDED else Change.WEAKER
            yield Difference(change, place, f"is new, {told}")
        elif was != now:
            step = strength[RouteState(now[0])] - strength[RouteState(was[0])]
            change = Change.WEAKER if step > 0 else Change.STRONGER if step < 0 else Change.OTHER
            yield Difference(change, place, f"{_told(was)} -> {told}")


def _told(route: list[str]) -> str:
    return f"{route[0]}: {route[1]}".rstrip(": ")
