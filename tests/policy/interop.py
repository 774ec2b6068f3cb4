"""The AuthZEN interop scenario (todo application, API gateways) as Cedar policies and a directory.

Written from the scenario's description: who has which role, and what a role may do. No expected
decision stands here.
"""

from typing import Any, Final

from pratique.policy import CedarPolicy, Entity

CITADEL: Final = "the-citadel.com"
SMITHS: Final = "the-smiths.com"
ROLES: Final = {
    f"rick@{CITADEL}": ("admin", "evil_genius"),
    f"morty@{CITADEL}": ("editor",),
    f"summer@{SMITHS}": ("editor",),
    f"beth@{SMITHS}": ("viewer",),
    f"jerry@{SMITHS}": ("viewer",),
}
_PID: Final = "CiRmZD{}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs"
MAILS: Final = {
    _PID.format(two): mail for two, mail in zip(["A", "E", "I", "M", "Q"], ROLES, strict=True)
}
"""The identity provider's ids (base64: "fd0614d3-…", "fd1614d3-…") and whose they are."""

POLICIES: Final = """
@id("todo-reads")
permit (principal in Role::"viewer",
        action in [Action::"can_read_user", Action::"can_read_todos"], resource);

@id("todo-create")
permit (principal in Role::"editor", action == Action::"can_create_todo", resource);

@id("todo-own")
permit (principal in Role::"editor",
        action in [Action::"can_update_todo", Action::"can_delete_todo"], resource)
when { resource has ownerID && resource.ownerID == principal.mail };

@id("todo-genius")
permit (principal in Role::"evil_genius", action == Action::"can_update_todo", resource);

@id("todo-admin")
permit (principal in Role::"admin", action == Action::"can_delete_todo", resource);

@id("gateway-reads")
permit (principal in Role::"viewer", action == Action::"GET", resource)
when { [Route::"/todos", Route::"/users/{userId}"].contains(resource) };

@id("gateway-create")
permit (principal in Role::"editor", action == Action::"POST", resource == Route::"/todos");

@id("gateway-writes")
permit (principal in Role::"editor", action in [Action::"PUT", Action::"DELETE"],
        resource == Route::"/todos/{todoId}");
"""

_VIEWER: Final = Entity("Role", "viewer")
_EDITOR: Final = Entity("Role", "editor", {}, [_VIEWER])
_ROLES: Final = {
    "viewer": _VIEWER,
    "editor": _EDITOR,
    "admin": Entity("Role", "admin", {}, [_EDITOR]),
    "evil_genius": Entity("Role", "evil_genius", {}, [_EDITOR]),
}


def subject(told: dict[str, Any]) -> Entity:
    """Look a subject up in the directory: roles are read here, never from the question."""
    mail = MAILS.get(told["id"], told["id"])
    roles = [_ROLES[name] for name in ROLES.get(mail, ())]
    return Entity("User", mail, {"mail": mail}, roles)


def resource(told: dict[str, Any]) -> Entity:
    """Return a resource with what the question says of it; a user is who the directory says."""
    if told["type"] == "user":
        return subject(told)
    return Entity(told["type"].title(), told["id"], told.get("properties", {}))


def policy() -> CedarPolicy:
    """Return the scenario's policy."""
    return CedarPolicy(POLICIES, principal=subject, resource=resource)
