"""A browser adds the proxy's cookie to whichever page's requests: a change of state says where it comes from."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pratique.core.claim import Claim, Fields, Via
from pratique.core.proofs.authentic.jws import TokenRefused
from pratique.core.proofs.authentic.same_site import require_no_other_site
from pratique.core.refusal import BoundaryError, Refused
from pratique.keys import AlbKeys, cloudflare_access, google_iap
from pratique.keys.alb import AlbAssertion
from tests.fetch.world import World, reply
from tests.keys.issuer import ADDRESS, NOW, Door, fetching
from tests.keys.test_alb import ARN, CLIENT, ISSUER
from tests.keys.test_proxies import BACKEND, TAG, cloudflare

OURS, PARTNERS, EVIL = "https://api.example", "https://app.example", "https://evil.example"
NONE: dict[str, str] = {}


def claim(method: str, fields: dict[str, str]) -> Claim:
    """Return a request that a browser, or a program, sends."""
    lines = [("Host", "api.example"), *fields.items()]
    return Claim(b"", Fields(lines), NOW, Via(method=method))


def takes(method: str, **fields: str) -> bool:
    """Say whether it is taken, where the pages of a partner's may change state too."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    try:
        require_no_other_site("ProxyAssertion", claim(method, named), frozenset({PARTNERS}))
    except Refused as refused:
        return refused.code != "cross_site"
    return True


def test_its_refusal_tells_what_every_other_one_tells() -> None:
    """401, and no word of how far it came; the same request without a page is admitted."""
    with pytest.raises(Refused) as refused:
        require_no_other_site("ProxyAssertion", claim("POST", {"Origin": EVIL}), frozenset())
    told = refused.value
    assert (told.status, told.problem()) == (401, TokenRefused("x", code="no_token").problem())
    require_no_other_site("ProxyAssertion", claim("POST", NONE), frozenset())


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "post", "QUERY"])
def test_a_page_of_somebody_elses_changes_nothing(method: str) -> None:
    """CWE-352: by Sec-Fetch-Site, by Origin where an older browser says no more; our own page, a declared one and a program are let in."""
    for refused in (
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Origin": OURS},
        {"Sec_Fetch_Site": "Same-Origin"},
        {"Sec_Fetch_Site": ""},
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{OURS}.evil.example"},
        {"Origin": "api.example"},
    ):
        assert not takes(method, **refused), refused
    for fine in (
        NONE,
        {"Origin": OURS},
        {"Sec_Fetch_Site": "same-origin", "Origin": OURS},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-site", "Origin": PARTNERS},
    ):
        assert takes(method, **fine), fine


def test_a_get_that_changes_something_comes_from_our_own_page() -> None:
    """A link in a mail has no page and no origin, and neither has an older browser's: refused; what a browser says of our page is let in."""
    for refused in (NONE, {"Sec_Fetch_Site": "none"}, {"Origin": OURS}):
        assert not takes("GET", **refused), refused
    assert takes("GET", Sec_Fetch_Site="same-origin")
    assert takes("GET", Sec_Fetch_Site="cross-site", Origin=PARTNERS)


def test_an_assertion_asks_for_it(world: World) -> None:
    """Before anything is verified; of a page of ours the subject is admitted."""
    host = "acme.cloudflareaccess.com"
    world.names[host] = [ADDRESS]
    token, key = cloudflare()
    content = json.dumps({"keys": [key]}).encode()
    world.server.answer = lambda seen: reply(200, content, Content_Type="application/json")
    fetch = fetching(host)
    door = Door(cloudflare_access("acme", audience=TAG, fetch=fetch), fetch)
    shown = {"Cf_Access_Jwt_Assertion": token}
    with door.perimeter:
        with pytest.raises(Refused) as refused:
            door.ask("", Sec_Fetch_Site="cross-site", **shown)
        assert refused.value.code == "cross_site"
        assert world.server.seen == []
        assert door.ask("", Sec_Fetch_Site="same-origin", **shown) == "Ann"


@pytest.mark.parametrize(
    "made",
    [
        lambda **more: cloudflare_access("acme", audience=TAG, fetch=fetching(), **more),
        lambda **more: google_iap(BACKEND, fetch=fetching(), **more),
        lambda **more: AlbAssertion(
            ARN,
            issuer=ISSUER,
            client=CLIENT,
            keys=AlbKeys("eu-central-1", fetch=fetching()),
            **more,
        ),
    ],
    ids=["cloudflare", "google", "alb"],
)
def test_each_of_them_asks_for_it(made: Callable[..., Any]) -> None:
    """Another page's change is refused where a load balancer or a proxy says who came; a declared page's isn't, and an origin that is none isn't declared."""
    identity = made(origins=[PARTNERS])
    with pytest.raises(Refused):
        identity.require_origin(claim("POST", {"Origin": EVIL}))
    identity.require_origin(claim("POST", {"Origin": PARTNERS}))
    for wrong in ("https://app.example", ["https://app.example/"]):
        with pytest.raises(BoundaryError, match="origins"):
            made(origins=wrong)
