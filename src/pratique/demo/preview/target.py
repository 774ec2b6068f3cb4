"""One of the three APIs under attack, with a site, a canary and a table of names of its own."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from pratique.demo.network import Answers, write
from pratique.demo.remote import Remote

from .told import IMAGES, PARTNER, WIKI, Told, previews

PATIENCE = 4.0
"""Seconds in which a sound API has answered, whatever the site does."""
MOST_TAKEN = 16 << 20
"""Bytes: far over any limit here, with what lies in the buffers between two sockets."""
USER_TOKEN = "token-of-the-caller-b7e1"
PUBLIC = {IMAGES: "93.184.215.14", PARTNER: "93.184.215.15"}
INSIDE = "10.1.2.3"
NAMES: Mapping[str, Answers] = {
    **{name: [[address]] for name, address in PUBLIC.items()},
    WIKI: [[INSIDE]],
    "localhost": [["127.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "*": [["10.0.0.7"]],
}
"""What each name leads to, unless an attack says otherwise. All others lead inside."""


class Target:
    """Sends to one API, and reads back what it did.

    Args:
        kind: Which of the three.
        url: Its own.
        told: What it was told.
        table: The file of its names.
        site: Behind every public name.
        canary: At every other address.
    """

    def __init__(
        self, kind: str, url: str, told: Told, *, table: Path, site: Remote, canary: Remote
    ) -> None:
        self.kind, self.url, self.told = kind, url, told
        self.answers: list[httpx.Response] = []
        self.unanswered = 0
        self._table, self._site, self._canary = table, site, canary
        self._port = int(url.rpartition(":")[2])
        self._client = httpx.Client(trust_env=False, timeout=PATIENCE)

    def name(self, changed: Mapping[str, Answers]) -> None:
        """Write the table of names anew; whoever waits for a name that hung is let go."""
        site, own = self._site.port, self._port
        ways = {f"{address}:{port}": site for address in PUBLIC.values() for port in (80, 443)}
        ways |= {f"{INSIDE}:443": site, f"127.0.0.1:{own}": own, "*": self._canary.port}
        write(self._table, names={**NAMES, **changed}, ways=ways)

    def spelt(self, url: str) -> str:
        """Return a URL with this world's ports in the places of its braces."""
        marked = Path(self.told.path).with_suffix(".marker")
        return url.format(canary=self._canary.port, own=self._port, file=marked)

    def post(self, path: str, body: object, *, user: str) -> None:
        """Send one request, as a user who is logged in."""
        fields = {
            "X-User": user,
            "Authorization": f"Bearer {USER_TOKEN}",
            "Cookie": f"session={USER_TOKEN}",
            "Connection": "close",
        }
        content = json.dumps(body)
        try:
            answer = self._client.post(self.url + path, content=content, headers=fields)
        except httpx.TransportError:
            self.unanswered += 1
        else:
            self.answers.append(answer)

    def post_at_once(self, path: str, bodies: Sequence[object], *, user: str) -> ThreadPoolExecutor:
        """Begin to send all of them; the pool's end is their end."""
        pool = ThreadPoolExecutor(len(bodies))
        for body in bodies:
            pool.submit(self.post, path, body, user=user)
        return pool

    def stored(self, user: str) -> list[str]:
        """Read back the previews of a user."""
        return previews(Path(self.told.path), user)

    def trouble(self, user: str) -> list[str]:
        """Say what happened that never may, whatever was asked for. Empty: nothing did."""
        hits, fetched = self._canary.seen(), self._site.seen()
        texts = [answer.text for answer in self.answers] + self.stored(user)
        found = ["the canary was hit"] * bool(hits)
        found += ["a secret came out"] * any(self.told.marker in text for text in texts)
        found += ["it didn't answer in time"] * bool(self.unanswered)
        found += ["it took too much"] * any(one.sent > MOST_TAKEN for one in fetched)
        for one in (*hits, *fetched):
            is_meant = one.host.partition(":")[0] == PARTNER and one not in hits
            ours = () if is_meant else (self.told.key, self.told.order)
            if any(secret in one.text for secret in (USER_TOKEN, *ours)):
                found.append(f"{one.host} was sent a secret")
        return found

    def forget(self) -> None:
        """Begin anew: nothing was seen, nothing answered."""
        self.answers, self.unanswered = [], 0
        self._site.seen()
        self._canary.seen()
        self.name({})

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()
