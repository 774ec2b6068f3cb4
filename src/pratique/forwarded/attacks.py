"""The attacks on the word of a proxy that this room's lock stops, as data: its tests send them all.

An outsider sends one straight to the application, or through the proxy, which then adds its own.
"""

from dataclasses import dataclass
from typing import Final, Literal

Way = Literal["direct", "proxy"]


@dataclass(frozen=True, slots=True)
class Attack:
    """What an outsider sends in the hope to be somebody, somewhere or something else.

    Args:
        id: "PX-02".
        title: What is tried.
        fields: What the outsider sends, besides `Host`.
        way: Straight to the application, or through the proxy.
        host: What the outsider sends as `Host`; "" for the application's own.
        code: What it is refused with; "" where it is ignored: the outsider is seen as what it is,
            and none of this reaches the application.
    """

    id: str
    title: str
    fields: tuple[tuple[str, str], ...]
    way: Way = "direct"
    host: str = ""
    code: str = ""


_CLIENT_FIELDS: Final = (
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "Client-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Originating-IP",
    "X-Remote-Addr",
)
_TARGETS: Final = ("X-Forwarded-Prefix", "X-Script-Name", "X-Original-URL", "X-Rewrite-URL")


def _each(id: str, names: tuple[str, ...], value: str) -> tuple[Attack, ...]:
    return tuple(
        Attack(id, f"{name}, {way}", ((name, value),), way)
        for name in names
        for way in ("direct", "proxy")
    )


ATTACKS: Final[tuple[Attack, ...]] = (
    *(
        Attack("PX-01", f"another client a request: {number}", (("X-Forwarded-For", number),))
        for number in ("198.51.100.1", "198.51.100.2", "198.51.100.3")
    ),
    Attack("PX-02", "loopback", (("X-Forwarded-For", "127.0.0.1"),)),
    Attack("PX-02", "the office", (("X-Forwarded-For", "10.66.6.6"),)),
    *_each("PX-03", _CLIENT_FIELDS, "127.0.0.1"),
    Attack("PX-03", "Forwarded", (("Forwarded", "for=127.0.0.1"),)),
    Attack("PX-03", "Forwarded, through the proxy", (("Forwarded", "for=127.0.0.1"),), "proxy"),
    Attack("PX-04", "filled before", (("X-Forwarded-For", "127.0.0.1"),), "proxy"),
    Attack("PX-04", "a chain", (("X-Forwarded-For", "127.0.0.1, 10.0.0.9"),), "proxy"),
    Attack(
        "PX-04",
        "two lines",
        (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "10.66.6.6")),
        "proxy",
    ),
    *(
        Attack("PX-05", title, (("X-Forwarded-For", value),), "proxy")
        for title, value in (
            ("a port", "127.0.0.1:80"),
            ("IPv6 in brackets", "[::1]:80"),
            ("unknown", "unknown"),
            ("obfuscated", "_hidden"),
            ("garbage", "\xff;;'\"<script>"),
            ("300 entries", ", ".join(["127.0.0.1"] * 300)),
            ("nothing but commas", ",,,,"),
        )
    ),
    Attack("PX-06", "another host", (), host="evil.test", code="host_not_allowed"),
    Attack("PX-06", "another host, proxied", (), "proxy", "evil.test", "host_not_allowed"),
    Attack("PX-06", "userinfo", (), host="api.example.com@evil.test", code="bad_host"),
    Attack("PX-06", "a port", (), host="api.example.com:evil", code="bad_host"),
    *_each("PX-07", ("X-Forwarded-Host", "X-Host", "X-Forwarded-Server"), "evil.test"),
    Attack("PX-08", "https", (("X-Forwarded-Proto", "https"),)),
    Attack("PX-08", "other spellings", (("X-Forwarded-Ssl", "on"), ("Front-End-Https", "on"))),
    *_each("PX-09", _TARGETS, "/admin"),
    *_each("PX-10", ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"), "DELETE"),
    *_each("PX-12", ("CF-IPCountry", "X-Risk-Score", "X-Device-Type"), "CH"),
    Attack(
        "PX-03",
        "an underscore",
        (("X_Forwarded_For", "127.0.0.1"),),
        "proxy",
        code="field_alias",
    ),
    Attack(
        "PX-04",
        "a proxy told to drop its own",
        (("Connection", "X-Forwarded-For"),),
        "proxy",
        code="hop_by_hop",
    ),
)
"""PX-11, a look-alike `Origin`, is refused by the CORS policy: its check is in the ASGI door."""
