"""The policy of the shop in tests/client/shop.py, written in Cedar: the same rules, other words."""

from typing import Any

from pratique.policy import CedarPolicy, Entity

SCHEMA = """
entity User { role: String, suspended: Bool };
entity Shop;
entity Order { state: String, owner?: User };
action read, update appliesTo { principal: User, resource: Order };
action "profile.read", "admin.orders" appliesTo { principal: User, resource: Shop };
"""
POLICIES = """
@id("readers")
permit (principal, action in [Action::"read", Action::"profile.read"], resource);

@id("open-orders")
permit (principal, action == Action::"update", resource)
when { resource.state == "open" };

@id("admins")
permit (principal, action == Action::"admin.orders", resource)
when { principal.role == "admin" };

@id("suspended")
forbid (principal, action, resource)
when { principal.suspended };
"""


def user(row: Any) -> Entity:
    """Write a user of the shop."""
    return Entity("User", str(row.id), {"role": row.role, "suspended": row.is_suspended})


def order(row: Any) -> Entity:
    """Write an order of the shop; an action without one is about the shop."""
    if row is None:
        return Entity("Shop", "shop")
    facts: dict[str, Any] = {"state": row.state}
    if row.owner_id is not None:
        facts["owner"] = Entity("User", str(row.owner_id))
    return Entity("Order", str(row.id), facts)


def cedar(policies: str = POLICIES, schema: str | None = SCHEMA) -> CedarPolicy:
    """Return the shop's policy."""
    return CedarPolicy(policies, schema=schema, principal=user, resource=order)
