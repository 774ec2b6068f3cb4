"""An issuer on the small internet: its keys, what it signs, and how it misbehaves."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pratique import Perimeter
from pratique.client import BearerToken, Client
from pratique.core.action import Action
from pratique.core.claim import Claim, Fields
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.core.proven import Proven
from pratique.fetch import Fetch, FetchPolicy
from pratique.keys.remote import RemoteKeys
from tests.fetch.world import Answer, Seen, Server, reply
from tests.sink import Kept

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
URL = "https://issuer.test/jwks"
ISSUER = "https://issuer.test"
AUDIENCE = "https://shop.test"
ADDRESS = "93.184.216.34"
JWKS = "application/jwk-set+json"
TYPES = {"application/json", JWKS}


class Clock:
    """Monotonic seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Issuer:
    """Publishes keys by name; `answer` may be put in another's place, `goes_on` may be cleared."""

    def __init__(self, server: Server, *names: str) -> None:
        self.keys = {name: Ed25519PrivateKey.generate() for name in names}
        self.server = server
        self.fields: dict[str, str] = {}
        self.goes_on = Event()
        self.goes_on.set()
        self.was_asked = Event()
        self.answer: Answer = self.publish
        server.answer = self._answer

    @property
    def asked(self) -> int:
        """Return how often it was asked."""
        return len(self.server.seen)

    def rotate(self, *names: str) -> None:
        """Publish these keys, and no others."""
        kept = self.keys
        self.keys = {name: kept.get(name, Ed25519PrivateKey.generate()) for name in names}

    def jwks(self) -> dict[str, Any]:
        """Return what it publishes."""
        return {"keys": [jwk(name, key) for name, key in self.keys.items()]}

    def publish(self, seen: Seen) -> bytes:
        """Answer as an honest issuer does."""
        return reply(200, json.dumps(self.jwks()).encode(), Content_Type=JWKS, **self.fields)

    def _answer(self, seen: Seen) -> bytes:
        self.was_asked.set()
        assert self.goes_on.wait(30)
        return self.answer(seen)

    def token(self, name: str, **claims: Any) -> str:
        """Return an access token that is signed by the key of that name."""
        return signed(self.keys[name], name, **claims)


def segment(members: dict[str, Any]) -> str:
    """Return a segment of a token."""
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def signed(key: Ed25519PrivateKey, name: str, **claims: Any) -> str:
    """Return an access token that names a key."""
    at = int(NOW.timestamp())
    members = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": at, "exp": at + 600, **claims}
    head = {"alg": "EdDSA", "typ": "at+jwt", "kid": name}
    content = f"{segment(head)}.{segment(members)}"
    signature = base64.urlsafe_b64encode(key.sign(content.encode())).rstrip(b"=").decode()
    return f"{content}.{signature}"


def unknown(number: int) -> str:
    """Return a token with a key that nobody has."""
    return signed(_STRANGER, f"stranger-{number}")


_STRANGER = Ed25519PrivateKey.generate()


def jwk(name: str, key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return the public JWK of a key."""
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": name, "use": "sig", "alg": "EdDSA"}


def fetching(*hosts: str) -> Fetch:
    """Return the way to an issuer."""
    hosts = hosts or ("issuer.test",)
    deadline = timedelta(seconds=20)
    return Fetch("issuer", FetchPolicy(hosts=set(hosts), content_types=TYPES, deadline=deadline))


def policy(keys: RemoteKeys) -> TokenPolicy:
    """Return what an access token must be."""
    return TokenPolicy(
        issuer=ISSUER, audience=AUDIENCE, algorithms=("EdDSA",), type="at+jwt", keys=keys
    )


class Door:
    """A client boundary whose clients are known by an identity."""

    def __init__(
        self,
        identity: Any,
        fetch: Fetch,
        *watched: RemoteKeys,
        at: Callable[[], datetime] = lambda: NOW,
        users: dict[str, str] = {"ann": "Ann", "bob": "Bob"},  # noqa: B006  nobody writes it
        store: Any = None,
    ) -> None:
        self.perimeter = Perimeter(store, events=Kept(), clock=at, deadline=None)
        self.perimeter.declare(fetch)
        self.client = self.perimeter.declare(
            Client("api", identity=identity, user=users.get, policy=lambda *_: True)
        )
        self.action: Action = self.client.action("profile.read")
        for source in watched:
            self.perimeter.attach(source)

    def ask(self, token: str, **fields: str) -> Any:
        """Return who it is; Refused where nobody knows."""
        claim = self._claim(token, fields)
        proven: Proven[Any] = self.perimeter.carry(self.client, claim, self.action.flow)
        return proven.value

    async def aask(self, token: str, **fields: str) -> Any:
        """Do the same on the event loop."""
        claim = self._claim(token, fields)
        proven: Proven[Any] = await self.perimeter.acarry(self.client, claim, self.action.flow)
        return proven.value

    def _claim(self, token: str, fields: dict[str, str]) -> Claim:
        lines = [(name.replace("_", "-"), value) for name, value in fields.items()]
        if token:
            lines.append(("Authorization", f"Bearer {token}"))
        return Claim(b"", Fields(lines), self.perimeter.clock())


def door(keys: RemoteKeys, fetch: Fetch) -> Door:
    """Return a door for access tokens."""
    return Door(BearerToken(policy(keys)), fetch)


def landed(keys: RemoteKeys) -> None:
    """Wait until the fetch that is under way, if one is, has ended."""
    flight = keys._flight
    if flight is not None:
        flight.done.result(30)
