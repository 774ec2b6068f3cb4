"""The cookie of a session: found once, in one spelling, wherever in the field it stands."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from pratique import Perimeter
from pratique.client import Client, Session, SessionCookie
from pratique.client.identity import cookie
from pratique.core.claim import Claim, Fields, Via
from pratique.core.refusal import BoundaryError, Refused
from pratique.integrations.proving import owned
from tests.client.shop import Order

NOON = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
NAME, MINE, OTHER = "__Host-session", "m" * 32, "o" * 32
MUCH = "; ".join(f"c{n}={'x' * 90}" for n in range(60))


def found(*lines: str) -> str | None:
    """Return the value of the session's cookie."""
    return cookie(Fields([("Cookie", line) for line in lines]), NAME)


@pytest.mark.parametrize(
    "lines",
    [
        (f"{NAME}={OTHER}; {NAME}={MINE}",),
        (f"{NAME}={MINE}", f"{NAME}={MINE}"),
        (f"{NAME}={OTHER}; {MUCH}; {NAME}={MINE}",),
        (f"{NAME} ={OTHER}; {NAME}={MINE}",),
        (f"\x85{NAME}={OTHER}; {NAME}={MINE}",),
        (f"\xa0{NAME}={OTHER}; {NAME}={MINE}",),
        (f"\t{NAME}\x1f={OTHER}; {NAME}={MINE}",),
        (f"={NAME}={OTHER}; {NAME}={MINE}",),
    ],
)
def test_two_cookies_of_one_name_are_none(lines: tuple[str, ...]) -> None:
    """CL-04, CWE-436: however far apart, and spelled as another reader trims them; one alone is found."""
    with pytest.raises(Refused) as refused:
        found(*lines)
    assert (refused.value.code, refused.value.status) == ("two_sessions", 401)
    assert found(f"{MUCH}; {NAME}={MINE}; a=b") == MINE


@pytest.mark.parametrize("text", ["é" * 32, "\ud800" * 32, "m" * 21, ""])
def test_a_token_that_none_of_ours_looks_like_is_none(text: str) -> None:
    """RFC 6265 §4.1.1: another alphabet, too short: 401, and nobody is asked; a session of ours is found."""
    asked: list[str] = []
    perimeter = Perimeter(clock=lambda: NOON)
    identity = SessionCookie(NAME, asked.append, origins=["https://shop.example"])
    shop = perimeter.declare(
        Client("shop", identity=identity, user=lambda _: None, policy=lambda *_: False)
    )
    me = shop.action("me")
    for value, told in ((text, 0), (MINE, 1)):
        claim = Claim(b"", Fields([("Cookie", f"{NAME}={value}")]), NOON, Via(method="GET"))
        with perimeter, pytest.raises(Refused) as refused:
            perimeter.carry(shop, claim, me.flow)
        assert (refused.value.code, refused.value.status, len(asked)) == ("no_session", 401, told)


def test_an_action_crosses_by_its_own_boundary_alone() -> None:
    """By another one it would owe what that one owes: refused, for it is ours to mend; by its own it crosses."""
    perimeter = Perimeter(clock=lambda: NOON)
    shops = [
        perimeter.declare(
            Client(
                name,
                identity=SessionCookie(
                    NAME, lambda _: Session(1, NOON, NOON), origins=["https://a.example"]
                ),
                user=lambda _: "ann",
                policy=lambda *_: True,
            )
        )
        for name in ("one", "other")
    ]
    one, _ = (shop.action("me") for shop in shops)
    claim = Claim(b"", Fields([("Cookie", f"{NAME}={MINE}")]), NOON, Via(method="GET"))
    with perimeter:
        with pytest.raises(Refused) as refused:
            perimeter.carry(shops[1], claim, one.flow)
        assert (refused.value.code, refused.value.status) == ("internal", 503)
        assert perimeter.carry(shops[0], claim, one.flow).value == "ann"


@pytest.mark.parametrize("before", ["\x85", "\xa0", "\x1f", "\u2000", "="])
def test_a_name_with_a_space_of_another_kind_is_another_name(before: str) -> None:
    """RFC 6265bis §4.1.3: a browser lets a neighbouring host set it, since it doesn't begin with __Host-."""
    assert found(f"{before}{NAME}={OTHER}") is None
    assert found(f"a=b;{NAME}={OTHER}") == OTHER
    assert found(f"a=b; \t{NAME}={OTHER}") == OTHER


@pytest.mark.parametrize(
    "line",
    [
        NAME,
        f"{NAME}=",
        f"x{NAME}={MINE}",
        f"{NAME}x={MINE}",
        f"{NAME.lower()}={MINE}",
        f"a={NAME}",
        ";;",
    ],
)
def test_another_cookie_is_not_the_sessions(line: str) -> None:
    """A name is compared whole and with its case; the one is found with or without its quotes."""
    assert not found(line)
    assert found(f'{NAME}="{MINE}"') == found(f"{NAME}={MINE}") == MINE


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What may be written."""


def ask(
    session: Any,
    *,
    method: str = "GET",
    origin: str | None = None,
    content: type[Any] | None = None,
    site: str | None = None,
) -> Any:
    """Ask as whoever holds MINE."""
    perimeter = Perimeter(clock=lambda: NOON)
    identity = SessionCookie(NAME, lambda _: session, origins=["https://shop.example"])
    shop = perimeter.declare(
        Client(
            "shop",
            identity=identity,
            user=lambda subject: f"user {subject}",
            policy=lambda *_: True,
        )
    )
    me = shop.action("me", content=content)
    told = {"Origin": origin, "Sec-Fetch-Site": site, "Content-Type": "application/json"}
    lines = [("Cookie", f"{NAME}={MINE}")]
    lines += [(name, value) for name, value in told.items() if value is not None]
    claim = Claim(b"" if content is None else b"{}", Fields(lines), NOON, Via(method=method))
    with perimeter:
        return perimeter.carry(shop, claim, me.flow).value


@pytest.mark.parametrize(
    "session", [None, False, True, "1", {}, Session(None, NOON, NOON), Session("", NOON, NOON)]
)
def test_a_session_of_nobody_is_none(session: Any) -> None:
    """Empty is no subject: a look-up by None finds whoever has none; a session of somebody is theirs."""
    with pytest.raises(Refused) as refused:
        ask(session)
    assert (refused.value.code, refused.value.status) == ("no_session", 401)
    assert ask(Session(0, NOON, NOON)) == "user 0"


@pytest.mark.parametrize("method", ["POST", "post", "get", "PATCH", "", "QUERY", "TRACE"])
@pytest.mark.parametrize(
    "origin",
    [
        None,
        "",
        "null",
        "https://shop.example/",
        "HTTPS://SHOP.EXAMPLE",
        "https://shop.example:443",
        "https://shop.example, null",
    ],
)
def test_what_may_change_state_says_where_it_comes_from(method: str, origin: str | None) -> None:
    """CWE-352: no Origin, an empty one, null, another spelling; whatever isn't known as safe; from our page it is let in."""
    with pytest.raises(Refused) as refused:
        ask(Session(1, NOON, NOON), method=method, origin=origin)
    assert (refused.value.code, refused.value.status) == ("cross_site", 401)
    assert ask(Session(1, NOON, NOON), method=method, origin="https://shop.example") == "user 1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    ("origin", "site"),
    [
        (None, None),
        (None, "cross-site"),
        (None, "same-site"),
        (None, "none"),
        (None, "Same-Origin"),
        ("https://evil.example", "cross-site"),
        ("https://shop.example", "cross-site"),
        ("null", "same-origin"),
        ("", "same-origin"),
    ],
)
def test_a_get_that_declares_an_effect_says_where_it_comes_from(
    method: str, origin: str | None, site: str | None
) -> None:
    """CWE-352: a link or an image on another's page is refused by the name of the action's effect; our own page, by origin or as the browser says, is let in, and so is a GET that changes nothing."""
    mine = Session(1, NOON, NOON)
    with pytest.raises(Refused) as refused:
        ask(mine, method=method, origin=origin, site=site, content=Wish)
    assert (refused.value.code, refused.value.status) == ("cross_site", 401)
    own = "https://shop.example"
    assert ask(mine, method=method, origin=own, content=Wish).object == "user 1"
    assert ask(mine, method=method, origin=own, site="same-site", content=Wish).object == "user 1"
    assert ask(mine, method=method, site="same-origin", content=Wish).object == "user 1"
    assert ask(mine, method=method, origin=origin, site=site) == "user 1"


def test_without_an_origin_the_same_origin_is_taken_of_a_get_alone() -> None:
    """A browser names the origin with every unsafe method: a POST that has none isn't a page's; a GET's is let in."""
    mine = Session(1, NOON, NOON)
    with pytest.raises(Refused) as refused:
        ask(mine, method="POST", site="same-origin", content=Wish)
    assert refused.value.code == "cross_site"
    assert ask(mine, method="GET", site="same-origin", content=Wish).object == "user 1"


def test_what_is_an_effect_is_declared() -> None:
    """Content to write, a locked row and what happens once are one; a row that is read isn't."""
    shop = Client(
        "shop",
        identity=SessionCookie(NAME, lambda _: None, origins=["https://shop.example"]),
        user=lambda subject: subject,
        policy=lambda *_: True,
    )
    locked, read = (
        owned(shop, Order.owner_id, verb, session=None, lock=lock).action
        for verb, lock in (("close", True), ("read", False))
    )
    once = shop.once("coupon.redeem", key=lambda _: "k")(lambda _: None)
    wish = shop.action("wish", content=Wish)
    assert [each.changes for each in (locked, once, wish, read, shop.action("me"))] == [
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    "origin",
    [
        "https://",
        "https://shop.example:443",
        "http://shop.example:80",
        "https://a?b",
        "https://a#b",
        "https://u@a",
        "https://*.shop.example",
        "null",
        "shop.example",
    ],
)
def test_an_origin_that_no_browser_sends_does_not_start(origin: str) -> None:
    """It would never match, and nobody would know why; with another port it starts (RFC 6454 §6.2)."""
    for wrong in (origin, [origin], [], ""):
        with pytest.raises(BoundaryError, match="origins"):
            SessionCookie(NAME, lambda _: None, origins=wrong)
    assert SessionCookie(
        NAME, lambda _: None, origins=["http://localhost:8000", "https://[::1]:80"]
    ).origins
