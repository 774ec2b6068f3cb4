"""Honest requests and attacks as data: what is sent, and what may be read back afterwards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .shop import CARD, COUNTRY, HOST, LIMIT, LINK, OFFICE, PASSWORD, REPORT
from .target import DIRECT, GATEWAY, TLS, Ask, Effects, Field, Target, Way

CUSTOMERS = ("127.0.20.1", "127.0.20.2")
EVIL = "evil.test"
SINGLE = (
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-IP",
)
"""Fields of one address."""
Expects = Callable[[Effects], bool]


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What is sent.
        asks: The requests.
        expects: What an honest row reads back; None for an attack, after which nothing may be.
    """

    id: str
    title: str
    asks: Sequence[Ask]
    expects: Expects | None = None

    def run(self, target: Target, number: int) -> tuple[bool, Effects]:
        """Play it from an address of its own; say whether the API was sound, and what it did."""
        sender = f"127.0.66.{number + 1}"
        found = target.play(self.asks, sender)
        if found.has_failed:
            return False, found
        if self.expects is not None:
            return self.expects(found), found
        held = (
            set(found.clients) <= {sender},
            found.guesses <= LIMIT,
            set(found.links) <= {LINK},
            not found.orders,
            found.notes == 1,
            not found.shown,
            not found.readers,
        )
        return all(held), found


def _forged(
    method: str, path: str, *fields: Field, way: Way = GATEWAY, content: str = ""
) -> list[Ask]:
    """Return one request with these fields."""
    return [Ask(method, path, fields, way, content=content)]


def _each(method: str, path: str, values: Sequence[Field], *, way: Way = GATEWAY) -> list[Ask]:
    """Return a request for each of the fields."""
    return [Ask(method, path, [each], way) for each in values]


def _guesses(way: Way) -> list[Ask]:
    """Return twice as many guesses as one client has, each for another client."""
    return [
        Ask("POST", "/login", [("X-Forwarded-For", f"198.51.100.{n}")], way, content="guess")
        for n in range(2 * LIMIT)
    ]


def _honest_logins(found: Effects) -> bool:
    statuses = [answer.status_code for answer in found.answers]
    return statuses == [401] * LIMIT + [429, 200] and found.clients[-1] == CUSTOMERS[1]


_FIRST, _SECOND = CUSTOMERS
_XFF = "X-Forwarded-For"
ATTACKS = (
    Attack(
        "H-1",
        "six guesses of one customer, then another's login",
        [
            *[Ask("POST", "/login", content="guess", address=_FIRST)] * (LIMIT + 1),
            Ask("POST", "/login", content=PASSWORD, address=_SECOND),
        ],
        _honest_logins,
    ),
    Attack(
        "H-2",
        "the office reads its report",
        [Ask("GET", "/report", address=OFFICE)],
        lambda found: found.shown == {REPORT},
    ),
    Attack(
        "H-3",
        "a customer resets a password",
        [Ask("POST", "/reset", way=TLS, address=_FIRST)],
        lambda found: found.links == [LINK],
    ),
    Attack(
        "H-4",
        "a customer looks at their card by https",
        [Ask("GET", "/card", way=TLS, address=_FIRST)],
        lambda found: found.shown == {CARD},
    ),
    Attack(
        "H-5",
        "a customer orders from the country it is sold in",
        [Ask("POST", "/orders", address=_FIRST)],
        lambda found: found.orders == 1,
    ),
    Attack(
        "H-6",
        "a page of the shop asks the API",
        [Ask("GET", "/who", [("Origin", f"https://{HOST}")], TLS, address=_FIRST)],
        lambda found: found.readers == {f"https://{HOST}"} and found.clients == [_FIRST],
    ),
    Attack("PX-01", "ten guesses as ten clients, straight to the API", _guesses(DIRECT)),
    Attack("PX-01", "the same through the gateway", _guesses(GATEWAY)),
    Attack(
        "PX-02",
        "the office's address, straight",
        _forged("GET", "/report", (_XFF, OFFICE), way=DIRECT),
    ),
    Attack(
        "PX-02",
        "the gateway's own address, straight",
        _forged("GET", "/who", (_XFF, "127.0.0.1"), way=DIRECT),
    ),
    Attack(
        "PX-03",
        "the office's address in six other fields, straight",
        _each("GET", "/report", [(name, OFFICE) for name in SINGLE], way=DIRECT),
    ),
    Attack(
        "PX-03",
        "the same through the gateway",
        _each("GET", "/report", [(name, OFFICE) for name in SINGLE]),
    ),
    Attack(
        "PX-03",
        "the office's address in Forwarded, straight",
        _forged("GET", "/report", ("Forwarded", f"for={OFFICE}"), way=DIRECT),
    ),
    Attack(
        "PX-03",
        "the same through the gateway",
        _forged("GET", "/report", ("Forwarded", f"for={OFFICE}")),
    ),
    Attack(
        "PX-04", "the office's address, filled in before", _forged("GET", "/report", (_XFF, OFFICE))
    ),
    Attack(
        "PX-04",
        "a chain that ends at the gateway",
        _forged("GET", "/who", (_XFF, f"{OFFICE}, 127.0.0.1")),
    ),
    Attack("PX-04", "two lines of it", _forged("GET", "/report", (_XFF, OFFICE), (_XFF, OFFICE))),
    Attack(
        "PX-05",
        "a port, brackets, unknown, nothing but commas",
        _each(
            "GET",
            "/who",
            [(_XFF, text) for text in (f"{OFFICE}:80", "[::1]:80", "unknown", ",,,,", "\xff;'<x>")],
        ),
    ),
    Attack(
        "PX-05", "a thousand entries", _forged("GET", "/who", (_XFF, ", ".join([OFFICE] * 1000)))
    ),
    Attack(
        "PX-05",
        "the same, straight",
        _forged("GET", "/who", (_XFF, ", ".join([OFFICE] * 1000)), way=DIRECT),
    ),
    Attack("PX-06", "Host: evil.test where a mail is sent", [Ask("POST", "/reset", (), TLS, EVIL)]),
    Attack("PX-06", "the same, straight", [Ask("POST", "/reset", (), DIRECT, EVIL)]),
    Attack(
        "PX-06",
        "our name as userinfo before another's",
        [Ask("POST", "/reset", (), TLS, f"{HOST}@{EVIL}")],
    ),
    Attack(
        "PX-07",
        "X-Forwarded-Host: evil.test",
        _forged("POST", "/reset", ("X-Forwarded-Host", EVIL), way=TLS),
    ),
    Attack(
        "PX-07",
        "X-Host, X-Forwarded-Server, X-Forwarded-Port",
        _each(
            "POST",
            "/reset",
            [("X-Host", EVIL), ("X-Forwarded-Server", EVIL), ("X-Forwarded-Port", "8443")],
            way=TLS,
        ),
    ),
    Attack(
        "PX-08",
        "X-Forwarded-Proto: https over http, straight",
        _forged("GET", "/card", ("X-Forwarded-Proto", "https"), way=DIRECT),
    ),
    Attack(
        "PX-08",
        "the same through the gateway",
        _forged("GET", "/card", ("X-Forwarded-Proto", "https")),
    ),
    Attack(
        "PX-09",
        "X-Original-URL and X-Rewrite-URL past the gateway",
        _each(
            "GET",
            "/who",
            [(name, "/internal/dump") for name in ("X-Original-URL", "X-Rewrite-URL")],
        ),
    ),
    Attack(
        "PX-09",
        "X-Script-Name past the gateway",
        _forged("GET", "/x/internal/dump", ("X-Script-Name", "/x")),
    ),
    Attack(
        "PX-09",
        "X-Forwarded-Prefix into a link",
        _forged("POST", "/reset", ("X-Forwarded-Prefix", "/@evil.test"), way=TLS),
    ),
    Attack(
        "PX-10",
        "X-HTTP-Method-Override: DELETE",
        _forged("POST", "/notes/n1", ("X-HTTP-Method-Override", "DELETE")),
    ),
    Attack(
        "PX-11",
        "the origin of a look-alike",
        [Ask("GET", "/who", [("Origin", f"https://{HOST}.{EVIL}")], TLS)],
    ),
    Attack("PX-11", "Origin: null", [Ask("GET", "/who", [("Origin", "null")], TLS)]),
    Attack(
        "PX-12",
        "the country it is sold in, straight",
        _forged("POST", "/orders", (COUNTRY, "CH"), way=DIRECT),
    ),
    Attack("PX-12", "the same through the gateway", _forged("POST", "/orders", (COUNTRY, "CH"))),
)
LEFT_OUT: dict[str, str] = {}
"""Attacks of the catalogue that this table doesn't send, each with why."""
