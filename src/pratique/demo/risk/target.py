"""One of the three APIs under attack, with a partner, a canary and names of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from pratique.demo.network import Answers, write
from pratique.demo.remote import Remote
from pratique.demo.wire import Script

from . import orders

PATIENCE = 4.0
"""Seconds in which a sound API has answered, whatever the partner does."""
MOST_TAKEN = 16 << 20
"""Bytes: far over any limit here, with what lies in the buffers between two sockets."""
ADDRESS = "93.184.215.20"
INTERNAL_URL = "http://10.0.0.9/debug?trace"
"""It stands in an error of the partner's."""


class Target:
    """Asks one API for decisions, and reads the orders back.

    Args:
        kind: Which of the three.
        url: Its own.
        path: Of its database.
        key: That it sends to the partner.
        table: The file of its names.
        partner: Behind the partner's name.
        canary: At every other address.
    """

    def __init__(
        self,
        kind: str,
        url: str,
        path: Path,
        *,
        key: str,
        table: Path,
        partner: Remote,
        canary: Remote,
    ) -> None:
        self.kind, self.url, self.path, self.key = kind, url, path, key
        self.canary = canary
        self.answers: list[httpx.Response] = []
        self.unanswered = 0
        self._table, self._partner = table, partner
        self._client = httpx.Client(trust_env=False, timeout=PATIENCE)

    def name(self, changed: Mapping[str, Answers]) -> None:
        """Write the table of names anew: the partner's, and all others lead inside."""
        names: dict[str, Answers] = {orders.HOST: [[ADDRESS]], "*": [["10.0.0.7"]], **changed}
        ways = {f"{ADDRESS}:443": self._partner.port, "*": self.canary.port}
        write(self._table, names=names, ways=ways)

    def forget(self) -> None:
        """Begin anew: nothing was seen, nothing answered."""
        self.answers, self.unanswered = [], 0
        self._partner.seen()
        self.canary.seen()
        self.name({})

    def decide(self, order: str, script: Script) -> None:
        """Ask for a decision, while the partner answers by a script."""
        self._partner.play(script)
        try:
            answer = self._client.post(
                f"{self.url}/api/orders/{order}/decide", headers={"Connection": "close"}
            )
        except httpx.TransportError:
            self.unanswered += 1
        else:
            self.answers.append(answer)

    def trouble(self, *, may_be_asked: bool) -> list[str]:
        """Say what happened that never may, whatever was answered. Empty: nothing did.

        Args:
            may_be_asked: Whether the partner may see the question.
        """
        hits, asked = self.canary.seen(), self._partner.seen()
        texts = [answer.text for answer in self.answers]
        found = ["the canary was hit"] * bool(hits)
        found += ["it didn't answer in time"] * bool(self.unanswered)
        found += ["it took too much"] * any(one.sent > MOST_TAKEN for one in asked)
        found += ["a stranger saw the question"] * (
            not may_be_asked and any(one.text for one in asked)
        )
        found += ["a secret came out"] * any(
            secret in text for text in texts for secret in (self.key, INTERNAL_URL)
        )
        return found

    def order(self, order: str) -> dict[str, Any]:
        """Read an order back."""
        return orders.read(self.path, order)

    def close(self) -> None:
        """Let go of the connections."""
        for one in (self._client, self._partner, self.canary):
            one.close()
