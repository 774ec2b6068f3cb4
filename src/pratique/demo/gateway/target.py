"""One of the three APIs under attack, behind a gateway of its own, as its clients reach it."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

import httpx

from . import shop

PATIENCE = 5.0
"""Seconds."""
GATEWAY: Final = "gateway"
TLS: Final = "tls"
DIRECT: Final = "direct"
Way = Literal["gateway", "tls", "direct"]
"""By http or by https through the gateway, or straight to the API past it."""
Field = tuple[str, str]


@dataclass(frozen=True)
class Ask:
    """One request.

    Args:
        method: Of RFC 9110 §9.
        path: At the API.
        fields: Beside Host; one name may come more than once.
        way: Which door it is sent to.
        host: The text of its Host.
        content: What it holds.
        address: The last byte of the sender's address, where it isn't the attack's own sender.
    """

    method: str
    path: str
    fields: Sequence[Field] = ()
    way: Way = GATEWAY
    host: str = shop.HOST
    content: str = ""
    address: str = ""


@dataclass
class Effects:
    """What was found after a row: read back from the tables, and from what its senders got."""

    answers: list[httpx.Response] = field(default_factory=list[httpx.Response])
    unanswered: int = 0
    clients: list[str] = field(default_factory=list[str])
    """Who the API took its clients for."""
    guesses: int = 0
    """Passwords that it looked at."""
    links: list[str] = field(default_factory=list[str])
    orders: int = 0
    notes: int = 0

    @cached_property
    def shown(self) -> set[str]:
        """Return which of the guarded words came out."""
        texts = [answer.text for answer in self.answers]
        words = (shop.REPORT, shop.DUMP, shop.CARD)
        return {word for word in words if any(word in text for text in texts)}

    @property
    def readers(self) -> set[str]:
        """Return the origins whose pages may read an answer."""
        found = {x.headers.get("access-control-allow-origin", "") for x in self.answers}
        return found - {""}

    @property
    def has_failed(self) -> bool:
        """Say whether something went unanswered, or was answered by an error of the server's."""
        return (
            not self.answers
            or bool(self.unanswered)
            or any(x.is_server_error for x in self.answers)
        )


class Target:
    """Sends to one API and its gateway, and reads back what that did.

    Args:
        url: The API's own.
        gateway: The gateway's, by http.
        tls: The same, by https.
        path: Of the API's database.
        context: Believes the gateway's certificate.
    """

    def __init__(
        self, url: str, *, gateway: str, tls: str, path: Path, context: ssl.SSLContext
    ) -> None:
        self._urls = {DIRECT: url, GATEWAY: gateway, TLS: tls}
        self._path, self._context = path, context

    def play(self, asks: Sequence[Ask], sender: str) -> Effects:
        """Send a row's requests, one after the other, and read back.

        Args:
            asks: The requests.
            sender: The address that they come from, where one doesn't name another.
        """
        db = shop.connect(str(self._path))
        db.executescript(
            "DELETE FROM clients; DELETE FROM guesses; DELETE FROM mails; DELETE FROM orders;"
            "INSERT OR IGNORE INTO notes VALUES ('n1');"
        )
        found = Effects()
        for ask in asks:
            self._send(ask, ask.address or sender, found)
        found.clients = [row[0] for row in db.execute("SELECT address FROM clients")]
        found.links = [row[0] for row in db.execute("SELECT link FROM mails")]
        found.guesses, found.orders, found.notes = (
            db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  ours
            for table in ("guesses", "orders", "notes")
        )
        db.close()
        return found

    def _send(self, ask: Ask, address: str, found: Effects) -> None:
        url = self._urls[ask.way]
        fields = [(b"Host", ask.host.encode("latin-1")), (b"Connection", b"close")]
        fields += [(name.encode(), value.encode("latin-1")) for name, value in ask.fields]
        door = httpx.HTTPTransport(verify=self._context, local_address=address)
        with httpx.Client(transport=door, timeout=PATIENCE) as client:
            try:
                answer = client.request(
                    ask.method,
                    url + ask.path,
                    headers=fields,
                    content=ask.content,
                    extensions={"sni_hostname": shop.HOST},
                )
            except httpx.TransportError:
                found.unanswered += 1
            else:
                found.answers.append(answer)
