"""A policy is a function, Cedar or a decision point: the right forms, which have no error."""

from collections.abc import Callable, Sequence
from typing import Any

from pratique.client import Client, SessionCookie
from pratique.fetch import Fetch
from pratique.policy import AsyncAuthZenPolicy, AuthZenPolicy, CedarPolicy, Entity, Named


class User:
    """A user of ours."""

    id: int = 1


def may(user: User, verb: str, thing: object) -> bool:
    """Decide in Python."""
    return verb == "read" and user.id == 1 and thing is not None


def load(subject: object) -> User | None:
    """Load a user from our own state."""
    return User() if subject == 1 else None


def entity(user: User) -> Entity:
    """Write a user for Cedar."""
    return Entity("User", str(user.id))


def named(user: User) -> Named:
    """Name a user to a decision point."""
    return Named("user", str(user.id))


def clients(identity: SessionCookie, fetch: Fetch) -> Sequence[Client]:
    """Hand in each of them; a declared fetch is what asks."""
    policies: list[Callable[..., Any]] = [
        may,
        CedarPolicy("permit (principal, action, resource);", principal=entity, resource=entity),
        AuthZenPolicy("https://pdp.example", fetch, subject=named, resource=named),
        AsyncAuthZenPolicy("https://pdp.example", fetch, subject=named, resource=named),
    ]
    return [
        Client(f"shop-{number}", identity=identity, user=load, policy=policy)
        for number, policy in enumerate(policies)
    ]


def reading(policy: CedarPolicy, user: User, things: Sequence[object]) -> list[object]:
    """Use a decision as what it is: true or false."""
    return [thing for thing in things if policy(user, "read", thing)]
