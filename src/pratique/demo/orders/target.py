"""One of the three shops under attack: asked by its clients, and from inside its own network."""

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from . import rows, service_token
from .guarded import DOMAIN, GATEWAY, ORIGIN, REPORTS, issuer
from .rows import STAFF, Login, Order, User, cookie_of, digest_of, user_of

Fields = Sequence[tuple[str, str]]
WHO: Final[Mapping[str, str]] = {"gateway": GATEWAY, "reports": REPORTS}
SERVICES: Final[Mapping[str, str]] = {"gateway": "api-gateway", "reports": "reports"}
LIST, REFUND = "orders.list", "order.refund"


class Target:
    """A shop: its API, its orders service, its rows.

    Args:
        kind: Which of the three.
        shop: URL of the API, which is the gateway.
        orders: URL of the service behind it.
        settings: What its processes are told.
    """

    def __init__(self, kind: str, shop: str, orders: str, settings: Mapping[str, str]) -> None:
        self.kind, self.url, self.orders = kind, shop, orders
        self.path = settings["path"]
        self._settings = settings
        self.answers: list[httpx.Response] = []
        self.unanswered = 0
        self._client = httpx.Client(trust_env=False, timeout=10)
        self._inside = {who: self._with(who) for who in ("", *WHO)}

    def _with(self, who: str) -> httpx.Client:
        context = ssl.create_default_context(cafile=self._settings["ca"])
        if who:
            context.load_cert_chain(self._settings[who])
        return httpx.Client(verify=context, trust_env=False, timeout=10)

    def ask(
        self, user: str, method: str, path: str, *, sent: Any = None, fields: Fields = ()
    ) -> httpx.Response | None:
        """Ask the shop's API as somebody; "" is nobody."""
        own = [("origin", ORIGIN)]
        if user:
            own.append(("cookie", f"session={cookie_of(user, self._settings['secret'])}"))
        return self._send(self._client, method, self.url + path, headers=[*own, *fields], json=sent)

    def call(
        self, method: str, path: str, *, who: str = "gateway", fields: Fields = ()
    ) -> httpx.Response | None:
        """Call the orders service, past the shop; `who` shows a certificate, "" has none."""
        return self._send(self._inside[who], method, self.orders + path, headers=fields)

    def said(
        self,
        user: str,
        action: str,
        *,
        about: str = "",
        by: str = "gateway",
        ago: float = 0,
        domain: str = DOMAIN,
        minter: str = "gateway",
    ) -> Fields:
        """Return the fields in which a caller says to this service for whom it calls.

        The services of the middling one share a secret, so whoever mints there signs as whom the
        service believes.
        """
        if self.kind == "vulnerable":
            role = "admin" if user.startswith(STAFF) else "customer"
            return [("x-user-role", role)]
        if self.kind == "safer":
            audience = "orders" if domain == DOMAIN else domain
            service = SERVICES[by] if minter == "gateway" else SERVICES["gateway"]
            token = service_token.sign(
                self._settings["secret"], service, audience, ago=max(0, ago and ago + 300)
            )
            return [("authorization", token), ("x-authenticated-user-id", user)]
        at = datetime.now(UTC) - timedelta(seconds=ago)
        minted = issuer(self._settings["seed"], domain, of=minter).mint(
            user, scope=[action], caller=WHO[by], at=at, about={"object": about} if about else {}
        )
        return [("txn-token", minted)]

    def _send(
        self, client: httpx.Client, method: str, url: str, **more: Any
    ) -> httpx.Response | None:
        try:
            answer = client.request(method, url, **more)
        except httpx.TransportError:
            self.unanswered += 1
            return None
        self.answers.append(answer)
        return answer

    def has_listed(self, answer: httpx.Response | None) -> bool:
        """Say whether an answer holds orders."""
        return answer is not None and "marker of" in answer.text

    def login(self, user: str, **values: Any) -> None:
        """Change what is kept of somebody's session."""
        rows.change(self.path, Login, digest_of(user, self._settings["secret"]), **values)

    def order(self, name: str, number: int) -> dict[str, Any]:
        """Read an order back."""
        return rows.read(self.path, Order, rows.order_of(name, number))

    def user(self, name: str, number: int) -> dict[str, Any]:
        """Read a user back."""
        return rows.read(self.path, User, user_of(name, number))

    @property
    def events(self) -> Path:
        """Return the file of what the guarded shop refused."""
        return Path(f"{self.path}.events.jsonl")

    def close(self) -> None:
        """Let go of the connections."""
        for client in (self._client, *self._inside.values()):
            client.close()
