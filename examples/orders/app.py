"""An orders service behind a gateway, on FastAPI: a certificate says who calls, a token for whom.

No field that anybody can write says either. What the user may do, the service's own rows say.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI

from pratique import Perimeter, Proven
from pratique.integrations.fastapi import called, guard
from pratique.service import ANYBODY, Minter, Service, TransactionToken, mtls

DOMAIN = "shop.example"
GATEWAY = f"spiffe://{DOMAIN}/gateway"
MINTER = f"https://gateway.{DOMAIN}"
ORDERS = [{"id": 1, "owner": "customer:1", "note": "ring twice"}]


@dataclass
class User:
    """A row of the service's own."""

    id: str
    role: str = "customer"
    is_suspended: bool = False


def rows() -> dict[str, User]:
    """Return the users."""
    known = (User("staff:1", "admin"), User("staff:2", "admin", is_suspended=True))
    return {user.id: user for user in (*known, User("customer:1"))}


def may(user: User, action: str, _: object) -> bool:
    """Say what a user may do, from the row of now."""
    return action == "orders.list" and user.role == "admin"


def create_app(jwks: Mapping[str, Any] | None = None) -> FastAPI:
    """Return the guarded service.

    Args:
        jwks: The public keys of the gateway's minter; the file MINTER_JWKS by default.
    """
    keys = jwks or json.loads(Path(os.environ["MINTER_JWKS"]).read_text())
    users = rows()

    def user_now(subject: str) -> User | None:
        user = users.get(subject)
        return None if user is None or user.is_suspended else user

    perimeter = Perimeter()
    service = perimeter.declare(
        Service(
            "orders",
            caller=mtls(DOMAIN, allow={GATEWAY: {"orders.list"}}),
            context=TransactionToken(
                DOMAIN,
                minters=[
                    Minter(issuer=MINTER, keys=keys, scopes={"orders.list"}, subjects=ANYBODY)
                ],
            ),
            user=user_now,
            policy=may,
        )
    )
    app = guard(FastAPI(), perimeter)

    @app.get("/admin/orders")
    def every(
        admin: Annotated[Proven[User, Literal["orders.list"]], called(service, "orders.list")],
    ) -> dict[str, Any]:
        return {"for": admin.value.id, "orders": ORDERS}

    return app
