"""Honest URLs and attacks as data: what is sent, what may be stored afterwards."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from pratique.demo.network import HANGS, Answers

from .site import HONEST
from .target import Target
from .told import IMAGES, PARTNER, WIKI

CANARY = "127.0.0.1:{canary}"
INSIDE = "10.0.0.7"
HANGING = 40
"""More than the threads of any event loop's resolver."""
HEAD_START = 0.5
"""Seconds in which those lookups begin."""


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What is sent.
        urls: One after the other. {canary}, {own}: a port; {file}: a file with a secret.
        stored: What a sound API has stored afterwards; None: whatever, if nothing was hit.
        names: What names lead to meanwhile.
        by: What the URL is sent as: a preview, a callback, the picture of a profile, for later.
        refused_by: APIs which refuse such by design.
        send: Where it takes more than to send the URLs one after the other.
    """

    id: str
    title: str
    urls: Sequence[str]
    stored: Sequence[str] | None = ()
    names: Mapping[str, Answers] = field(default_factory=dict[str, Answers])
    by: str = "preview"
    refused_by: frozenset[str] = frozenset()
    send: Callable[["Attack", Target, str], None] | None = None

    def run(self, target: Target, user: str) -> None:
        """Send it as that user."""
        target.name(self.names)
        if self.send is not None:
            self.send(self, target, user)
            return
        for url in self.urls:
            spelt = target.spelt(url)
            body = {"claims": {"picture": spelt}} if self.by == "profile" else {"url": spelt}
            target.post(f"/api/{self.by}", body, user=user)
        if self.by == "later":
            target.post("/api/job", {}, user=user)


def _both(*authorities: str) -> tuple[str, ...]:
    return tuple(
        f"{scheme}://{authority}/" for authority in authorities for scheme in ("http", "https")
    )


def _to(url: str, *, hops: int = 1, status: int = 302, by: str = PARTNER) -> str:
    return f"https://{by}/to/{status}/{hops}/{quote(url, safe='{}')}"


def _hanging(attack: Attack, target: Target, user: str) -> None:
    """Somebody else's names hang; then an honest user asks."""
    hung = [{"url": f"https://hangs.example/{k}"} for k in range(HANGING)]
    with target.post_at_once("/api/preview", hung, user=f"{user}_mallory"):
        time.sleep(HEAD_START)
        target.unanswered = 0
        target.post("/api/preview", {"url": attack.urls[0]}, user=user)
        late = target.unanswered
        target.name({})
    target.unanswered = late  # who made the names hang may wait


SAFER = frozenset({"safer"})
ATTACKS = (
    Attack("H-1", "an honest page", [f"https://{IMAGES}/page"], [HONEST]),
    Attack("H-2", "an honest page, packed", [f"https://{PARTNER}/packed"], [HONEST]),
    Attack(
        "H-3",
        "an honest page, spelt in its own way",
        ["HTTPS://Partner.Example.COM:443/a?q=%41#top"],
        [HONEST],
    ),
    Attack(
        "H-4",
        "an honest redirect to our other host",
        [_to(f"https://{PARTNER}/page", by=IMAGES)],
        [HONEST],
        refused_by=SAFER,
    ),
    Attack("H-5", "a page of our own wiki, inside", [f"https://{WIKI}/page"], [HONEST]),
    Attack("H-6", "an honest callback", [f"https://{PARTNER}/hook"], [HONEST], by="callback"),
    Attack("H-7", "stored, then fetched by a job", [f"https://{IMAGES}/p"], [HONEST], by="later"),
    Attack("H-8", "the picture of a profile", [f"https://{IMAGES}/p"], [HONEST], by="profile"),
    Attack("FT-01", "a service of this machine, by address", _both(CANARY)),
    Attack("FT-01", "a service of this machine, by name", _both("localhost:{canary}")),
    Attack(
        "FT-02",
        "loopback in seven spellings",
        _both(
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "0.0.0.0",  # noqa: S104  nothing is bound to it
        ),
    ),
    Attack(
        "FT-03",
        "a cloud's metadata endpoint, by address and by name",
        _both("169.254.169.254", "[fd00:ec2::254]", "metadata.google.internal"),
    ),
    Attack(
        "FT-04",
        "private, shared, link-local, multicast, NAT64",
        _both(
            *(INSIDE, "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.1.1", "224.0.0.1"),
            *("[fc00::1]", "[fe80::1]", "[64:ff9b::7f00:1]"),
        ),
    ),
    *(
        Attack(
            "FT-05",
            f"redirected inside, {hops} hop{'s' * (hops > 1)}",
            [_to(f"http://{CANARY}/", hops=hops), _to(f"https://{INSIDE}/", hops=hops)],
        )
        for hops in (1, 3, 20)
    ),
    Attack(
        "FT-06",
        "a name that is public at first, then inside",
        [f"https://{PARTNER}/page"] * 3,
        None,
        {PARTNER: [["93.184.215.15"], [INSIDE]]},
    ),
    Attack(
        "FT-06",
        "our own wiki's name moves out of its network",
        [f"https://{WIKI}/page"],
        names={WIKI: [[INSIDE]]},
    ),
    Attack(
        "FT-07",
        "a name with an inner and a public address",
        [f"https://{PARTNER}/page"],
        names={PARTNER: [[INSIDE, "93.184.215.15"]]},
    ),
    Attack(
        "FT-08",
        "file, gopher, ftp, dict, data, jar, a unix socket",
        [
            "file://{file}",
            f"gopher://{CANARY}/_GET",
            f"ftp://{CANARY}/",
            f"dict://{CANARY}/info",
            "data:text/html,<b>",
            f"jar:http://{CANARY}/!/",
            "unix:///run/docker.sock",
            "http+unix://%2Frun%2Fdocker.sock/",
        ],
    ),
    Attack(
        "FT-09",
        "userinfo, backslash, tab, line break",
        [
            f"https://{PARTNER}@{INSIDE}/",
            f"https://{INSIDE}#@{PARTNER}/",
            f"https://{INSIDE}\\@{PARTNER}/",
            f"https://{PARTNER}\\@{INSIDE}/",
            f"https://{PARTNER}:443@{INSIDE}/",
            f"https://{PARTNER}\t@{INSIDE}/",
            f"https://{INSIDE}/\r\nHost: {PARTNER}",
            f"http://{CANARY}/%0d%0aX: y",
        ],
        None,
    ),
    Attack(
        "FT-10",
        "look-alikes of a host that is known",
        [
            f"https://{IMAGES}.evil.test/",
            f"https://evil-{IMAGES}/",
            "https://\u0456mages.example-cdn.com/",
            "https://p\u0430rtner.example.com/",
            "https://partner\u3002example.com.evil.test/",
        ],
    ),
    Attack(
        "FT-11",
        "another port of a host that is known",
        [f"https://{PARTNER}:8443/", f"https://{PARTNER}:22/", f"http://{PARTNER}:6379/"],
    ),
    Attack(
        "FT-12",
        "its own endpoint for this machine alone",
        _both("127.0.0.1:{own}/_internal/report#", "localhost:{own}/_internal/report#"),
    ),
    Attack("FT-13", "is the caller's own token sent along?", [f"https://{IMAGES}/page"], [HONEST]),
    Attack("FT-13", "a partner redirects our key elsewhere", [_to(f"https://{IMAGES}/page")], None),
    Attack("FT-14", "64 MB", [f"https://{PARTNER}/big"]),
    Attack("FT-14", "60 MB, packed into 60 kB", [f"https://{PARTNER}/bomb"]),
    Attack("FT-14", "ten bytes a second", [f"https://{PARTNER}/drip"]),
    Attack("FT-14", "header fields without end", [f"https://{PARTNER}/fields"]),
    Attack("FT-14", "ten header fields a second", [f"https://{PARTNER}/slow-fields"]),
    Attack(
        "FT-15",
        "svg, a download, text/htmlx in the place of a page",
        [
            f"https://{PARTNER}/typed/{kind}"
            for kind in ("image/svg+xml", "application/octet-stream", "text/htmlx")
        ],
    ),
    Attack("FT-16", "an inner URL stored now, fetched later", _both(INSIDE), by="later"),
    Attack(
        "FT-16",
        "stored now, its name moves before the job",
        [f"https://{PARTNER}/page"],
        names={PARTNER: [[INSIDE]]},
        by="later",
    ),
    Attack("FT-17", "an inner URL as a profile's picture", _both(CANARY, INSIDE), by="profile"),
    Attack("FT-17", "an inner URL as a callback", _both(CANARY, INSIDE), by="callback"),
    Attack(
        "FT-21",
        "a callback redirected with its content (307)",
        [_to(f"https://{IMAGES}/hook", status=307)],
        by="callback",
    ),
    Attack(
        "FT-22",
        "40 names that hang, then an honest user's page",
        [f"https://{IMAGES}/page"],
        [HONEST],
        {"hangs.example": HANGS},
        send=_hanging,
    ),
)
LEFT_OUT = {
    "FT-17": "URLs inside SVG, PDF and XML: nothing here parses these",
    "FT-19": "a tunnel needs an egress proxy; tests/fetch has one",
    "FT-20": "a NAT64 gateway of one's own is declared, and judged in tests/fetch",
}
"""Attacks of the catalogue that this table doesn't send, each with why."""
