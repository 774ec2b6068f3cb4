"""A key source takes our fetch boundary, a client takes what proves an identity, a perimeter attaches."""

from pratique import Perimeter, Secret
from pratique.client import BearerToken, Client
from pratique.core.proofs.authentic.jwt import TokenPolicy
from pratique.fetch import Fetch, FetchPolicy
from pratique.keys import Discovered, Jwks, OpaqueToken, cloudflare_access

fetch = Fetch("issuer", FetchPolicy(hosts={"issuer.example"}))
jwks = Jwks("https://issuer.example/jwks", fetch=fetch)
found = Discovered("https://issuer.example", fetch=fetch, algorithms=("RS256",))
policy: TokenPolicy = found.policy(audience="api", type="at+jwt")
by_jwks = TokenPolicy(
    issuer="https://issuer.example",
    audience="api",
    algorithms=("RS256",),
    type="at+jwt",
    keys=jwks,
)
opaque = OpaqueToken(
    "https://issuer.example/introspect",
    issuer="https://issuer.example",
    audience="api",
    client_id="api",
    secret=Secret.env("INTROSPECTION_SECRET"),
    fetch=fetch,
)
proxy = cloudflare_access("acme", audience="0" * 64, fetch=fetch)
clients = [
    Client("api", identity=identity, user={"ann": "Ann"}.get, policy=lambda *_: True)
    for identity in (BearerToken(policy), opaque, proxy)
]
perimeter = Perimeter()
attached: Jwks = perimeter.attach(jwks)
