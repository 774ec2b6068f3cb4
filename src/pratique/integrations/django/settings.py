"""What settings.PRATIQUE says, and every debt of the project that can be told without a request."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import django
from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core.checks import CheckMessage, Error, register
from django.utils.module_loading import import_string

from pratique.core.perimeter import Perimeter
from pratique.core.refusal import BoundaryError
from pratique.core.route import Route
from pratique.integrations.described import Described
from pratique.integrations.routes import Elsewhere, legacy_of, lock_debts, stated

from .walk import debts_of, leaves_of, routes_of

GUARD: Final = "pratique.integrations.django.Guard"
_KNOWN: Final = frozenset({"PERIMETER", "ELSEWHERE", "LOCK"})


@dataclass(frozen=True, slots=True)
class Declared:
    """What the settings say.

    Attributes:
        perimeter: What guards the project.
        others: What somebody else guards.
        legacy: Keys of the routes that may stay naked, as LOCK has them.
        unwritten: One sentence where LOCK names a file that isn't there.
    """

    perimeter: Perimeter
    others: tuple[Elsewhere, ...]
    legacy: frozenset[str]
    unwritten: tuple[str, ...] = ()

    def debts(self, urlconf: Any = None) -> list[str]:
        """Return what is wrong with the routes of a URLconf, the project's own by default."""
        routes = routes_of(urlconf)  # the views that it imports declare actions of the perimeter
        if self.unwritten:
            return list(self.unwritten)
        return debts_of(
            routes,
            self.perimeter,
            others=self.others,
            legacy=self.legacy,
            is_root=urlconf is None,
        )


def declared() -> Declared:
    """Return what settings.PRATIQUE says.

    Raises:
        BoundaryError: it says something else, or LOCK can't be read.
    """
    told: object = getattr(settings, "PRATIQUE", None)
    said: Mapping[str, Any] = {}
    if isinstance(told, Mapping):
        said = cast("Mapping[str, Any]", told)
    if not isinstance(said.get("PERIMETER"), str):
        raise BoundaryError(
            "settings.PRATIQUE names no perimeter: "
            'PRATIQUE = {"PERIMETER": "shop.boundaries.perimeter"}.'
        )
    unknown = sorted(str(name) for name in said if name not in _KNOWN)
    if unknown:
        raise BoundaryError(
            f"settings.PRATIQUE has {', '.join(unknown)}; it takes PERIMETER, ELSEWHERE, LOCK."
        )
    try:
        perimeter = import_string(said["PERIMETER"])
    except ImportError as error:
        raise BoundaryError(f"settings.PRATIQUE PERIMETER: {error}") from error
    if not isinstance(perimeter, Perimeter):
        raise BoundaryError(
            f"settings.PRATIQUE PERIMETER is {type(perimeter).__name__}, not a Perimeter."
        )
    named: object = said.get("ELSEWHERE", ())
    others = cast("Sequence[Any]", named) if isinstance(named, list | tuple) else (None,)
    if not all(isinstance(each, Elsewhere) for each in others):
        raise BoundaryError(
            "settings.PRATIQUE ELSEWHERE is a list of elsewhere(…): "
            '[elsewhere("/admin/", by="django.contrib.admin")].'
        )
    return Declared(
        perimeter,
        tuple(cast("Sequence[Elsewhere]", others)),
        legacy_of(said.get("LOCK")),
        tuple(lock_debts(said.get("LOCK"), _lock_command())),
    )


def _lock_command() -> str:
    named = os.environ.get(ENVIRONMENT_VARIABLE, "shop.settings")
    return f"{ENVIRONMENT_VARIABLE}={named} pratique lock --baseline --app django"


def described_project() -> Described:
    """Return what a project tells of itself, as its settings name it: for the command line.

    Raises:
        BoundaryError: see `declared`.
        ImproperlyConfigured: DJANGO_SETTINGS_MODULE names no settings.
    """
    django.setup()
    said = declared()
    routes_of()  # the views that it imports declare actions of the perimeter
    return described_by(said)


def described_by(said: Declared) -> Described:
    """Return what a project tells of itself, whose settings were read."""

    def states() -> list[Route]:
        leaves = (leaf for each in routes_of() for leaf in leaves_of(each))
        return stated(leaves, others=said.others, legacy=said.legacy)

    return Described(said.perimeter, states, lambda: [*order_debts(), *said.debts()])


def order_debts() -> list[str]:
    """Return what is wrong with where the guard stands in MIDDLEWARE."""
    from .middleware import Guard

    listed: list[str] = list(settings.MIDDLEWARE)
    places = [place for place, name in enumerate(listed) if import_string(name) is Guard]
    if places == [0]:
        return []
    if not places:
        return [f'MIDDLEWARE has no "{GUARD}": nothing would be proven. Let it be the first.']
    if len(places) > 1:
        return [f'MIDDLEWARE has "{GUARD}" {len(places)} times. Once, as the first.']
    debt = (
        f'MIDDLEWARE has "{listed[0]}" before "{GUARD}": it could answer, or read the content of, '
        "a request that nobody has proven. Let the guard be the first."
    )
    return [debt]


@register("security")
def check_perimeter(**_: Any) -> list[CheckMessage]:
    """Tell `manage.py check` what the start would refuse; it touches no store."""
    if GUARD not in settings.MIDDLEWARE and not hasattr(settings, "PRATIQUE"):
        return []  # its tables alone are used
    try:
        said = declared()
        routes = said.debts()  # the views that it imports declare actions of the perimeter
        debts = [*said.perimeter.debts(), *order_debts(), *routes]
    except BoundaryError as error:
        debts = list(error.debts)
    return [Error(debt, id="pratique.E001") for debt in debts]
