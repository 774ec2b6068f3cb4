"""Tokens of an OpenID provider by other people, with a rotation of its keys and an outage in the middle."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pratique import Secret
from pratique.client import BearerToken
from pratique.core.refusal import Refused
from pratique.fetch import Fetch, FetchPolicy, Internal
from pratique.keys import Discovered, OpaqueToken, remote
from pratique.keys.remote import HARD_LIMIT
from tests.fetch.world import quiet
from tests.keys.issuer import TYPES, Clock, Door, landed
from tests.processes import free_port

pytestmark = [pytest.mark.server, pytest.mark.timeout(100)]
SCRIPT = Path(__file__).with_name("oidc_provider.mjs")
VERSION = "oidc-provider@9.13.3"
API = "urn:api:shop"
OPAQUE = "urn:opaque:shop"
USERS = {"shop": "Shop", "other": "Other"}


def keys(*names: str) -> str:
    """Return new private keys as a JWKS."""
    return json.dumps({"keys": [_key(name) for name in names]})


def _key(name: str) -> dict[str, str]:
    numbers = ec.generate_private_key(ec.SECP256R1()).private_numbers()
    parts = {"x": numbers.public_numbers.x, "y": numbers.public_numbers.y}
    parts["d"] = numbers.private_value
    text = {
        part: base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
        for part, number in parts.items()
    }
    return {"kty": "EC", "crv": "P-256", "kid": name, "use": "sig", "alg": "ES256", **text}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the provider's library."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node aren't here")
    folder = tmp_path_factory.mktemp("oidc")
    (folder / "package.json").write_text('{"private": true}')
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", VERSION]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=80, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"npm can't install {VERSION}: {done.stderr[-200:]}")
    return folder


class Provider:
    """The provider at one port; it is started and stopped, each time with the keys that are said."""

    def __init__(self, library: Path) -> None:
        self._library = library
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, keys: str) -> Iterator[None]:
        """Run it with these keys."""
        env = {**os.environ, "PORT": str(self.port), "KEYS": keys, "FOLDER": str(self._library)}
        with subprocess.Popen(
            ["node", str(SCRIPT)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            late = Timer(30, process.kill)
            late.start()
            try:
                assert process.stdout is not None
                said = iter(process.stdout.readline, "")
                assert any(line == "ready\n" for line in said), "the provider doesn't start"
                late.cancel()
                yield
            finally:
                late.cancel()
                process.kill()

    def token(self, *, client: str = "shop", resource: str = API) -> str:
        """Return an access token by client credentials."""
        asked = {"grant_type": "client_credentials", "resource": resource, "scope": "read"}
        answer = self._post("/token", asked, client)
        return str(answer.json()["access_token"])

    def revoke(self, token: str) -> None:
        """Take a token back."""
        self._post("/token/revocation", {"token": token}, "shop")

    def _post(self, path: str, content: dict[str, str], client: str) -> httpx.Response:
        secret = (client, f"{client}-secret-0123456789abcdef")
        answer = httpx.post(self.issuer + path, data=content, auth=secret, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer

    def fetching(self) -> Fetch:
        """Return the way to it."""
        way = Internal("127.0.0.1", "127.0.0.0/8", self.port, reason="the provider of this test")
        policy = FetchPolicy(
            hosts={"127.0.0.1"}, schemes={"http"}, internal=[way], content_types=TYPES
        )
        return Fetch("issuer", policy)


def now() -> datetime:
    """Return the time: the provider's tokens have it too."""
    return datetime.now(UTC)


def refusal(door: Door, token: str) -> str:
    """Return the code with which a token is refused."""
    with pytest.raises(Refused) as refused:
        door.ask(token)
    return refused.value.code


@pytest.fixture
def provider(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Give a provider that isn't started."""
    monkeypatch.setattr(remote, "WAIT", 60.0)  # a busy machine is no outage
    with quiet():
        yield Provider(library)


def test_tokens_verify_through_rotation_and_outage(provider: Provider) -> None:
    """Discovery and JWKS of a real provider: its tokens pass, also after it rolled its keys, and while it is away up to the hard limit."""
    clock, fetch = Clock(), provider.fetching()
    source = Discovered(provider.issuer, fetch=fetch, algorithms=("ES256",), clock=clock)
    identity = BearerToken(source.policy(audience=API, type="at+jwt"))
    door = Door(identity, fetch, source, at=now, users=USERS)
    first, second = keys("first"), keys("second")
    with ExitStack() as stack:
        with provider.running(first):
            stack.enter_context(door.perimeter)
            landed(source)
            old = provider.token()
            assert door.ask(old) == "Shop"
            assert door.ask(provider.token(client="other")) == "Other"
            assert refusal(door, provider.token(resource="urn:api:billing")) == "wrong_audience"
            assert refusal(door, old[:-6] + "AAAAAA") == "bad_signature"
        with provider.running(second):
            assert door.ask(old) == "Shop"  # nobody has told us yet
            new = provider.token()
            assert door.ask(new) == "Shop"
            assert refusal(door, old) == "unknown_key"
        # The provider is away.
        limit = HARD_LIMIT.total_seconds()
        for _ in range(3):
            clock.now += limit / 3 - 1
            assert door.ask(new) == "Shop"
            landed(source)
        clock.now += 10
        assert refusal(door, new) == "keys_unavailable"
        with provider.running(second):
            clock.now += 300
            assert door.ask(new) == "Shop"
            assert refusal(door, old) == "unknown_key"
        landed(source)


async def test_the_event_loop_verifies_them_too(provider: Provider) -> None:
    """The same provider on asyncio, its keys fetched by the first token."""
    fetch = provider.fetching()
    source = Discovered(provider.issuer, fetch=fetch, algorithms=("ES256",))
    identity = BearerToken(source.policy(audience=API, type="at+jwt"))
    door = Door(identity, fetch, at=now, users=USERS)
    with provider.running(keys("only")):
        async with door.perimeter:
            assert await door.aask(provider.token()) == "Shop"


def test_opaque_tokens_are_asked_about(provider: Provider) -> None:
    """Introspection of a real provider: in force it passes; taken back, another's audience, a wrong credential or no provider: refused."""

    def new(stack: ExitStack, secret: str, max_age: timedelta = timedelta(0)) -> Door:
        identity = OpaqueToken(
            f"{provider.issuer}/token/introspection",
            issuer=provider.issuer,
            audience=OPAQUE,
            client_id="other",
            secret=Secret(secret),
            fetch=(way := provider.fetching()),
            max_age=max_age,
        )
        door = Door(identity, way, at=now, users=USERS)
        stack.enter_context(door.perimeter)
        return door

    with ExitStack() as stack:
        door, stranger = (
            new(stack, "other-secret-0123456789abcdef"),
            new(stack, "another-secret-9876543210"),
        )
        remembering = new(stack, "other-secret-0123456789abcdef", timedelta(minutes=1))
        with provider.running(keys("only")):
            token = provider.token(resource=OPAQUE)
            assert token.count(".") == 0
            assert door.ask(token) == remembering.ask(token) == "Shop"
            assert refusal(door, provider.token(resource="urn:opaque:billing")) == "wrong_audience"
            assert refusal(door, token[:-1]) == "inactive_token"
            assert refusal(stranger, token) == "introspection_unavailable"
            provider.revoke(token)
            assert refusal(door, token) == "inactive_token"
        assert refusal(door, token) == "introspection_unavailable"
        assert remembering.ask(token) == "Shop"  # for a minute, as declared
