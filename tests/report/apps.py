"""Applications and evidence that the tests of the report look at."""

from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from fastapi import FastAPI

from pratique import Perimeter
from pratique.core.event import Outcome, Record
from pratique.demo.orders import guarded as orders
from pratique.demo.orders.guarded import guarded_orders
from pratique.demo.payments.guarded import guarded as guarded_payments
from pratique.demo.preview.guarded import guarded as guarded_previews
from pratique.demo.preview.told import Told
from pratique.demo.risk.guarded import guarded as guarded_risk
from pratique.forwarded import Forwarded, ProxyPolicy
from pratique.integrations.described import described
from pratique.integrations.fastapi import guard
from pratique.report import BoundaryFacts, ClaimFacts, Evidence, evidence_of
from pratique.report.evidence import ProofFacts, Question, RouteFacts, WaiverFacts
from pratique.report.observed import count
from pratique.report.report import Report, report_of
from pratique.report.tested import Tried

TODAY = date(2026, 11, 26)
AT = datetime(2026, 11, 26, 10, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>|[x](javascript:y)\x1b[31m`@owner` \u202e{0}\n# www.x.example ://"
)
QUESTIONS = [f"Question {number}?" for number in range(1, 11)]


def demo_evidence(folder: Path) -> Evidence:
    """Return what the guarded applications of the demo declare, and one behind a gateway."""
    seed = bytes(range(32)).hex()
    nowhere = "http://127.0.0.1:9"
    settings = {"path": str(folder / "shop.db"), "seed": seed, "orders": nowhere}
    apps = [
        guarded_payments(str(folder / "payments.db"), "whsec_" + seed, nowhere),
        guarded_previews(Told(str(folder / "preview.db"), "marker", "key-of-a-partner", "order")),
        guarded_risk(str(folder / "risk.db"), "bearer-of-a-partner"),
        guarded_orders(settings),
        _shop(settings),
        _edge(),
    ]
    found: list[Evidence] = []
    for app in apps:
        told = described(app)
        assert told is not None
        debts = told.perimeter.debts()
        found.append(evidence_of(told.perimeter, told.routes(), debts))
    return Evidence(
        boundaries=tuple(b for each in found for b in each.boundaries),
        routes=tuple(route for each in found for route in each.routes),
        debts=tuple(debt for each in found for debt in each.debts),
    )


def _edge() -> object:
    perimeter = Perimeter()
    policy = ProxyPolicy(
        trusted=("10.0.0.0/24",), header="x-forwarded-for", hosts=("shop.example",)
    )
    perimeter.declare(Forwarded("edge", policy))
    return guard(FastAPI(), perimeter)


def _shop(settings: dict[str, str]) -> object:
    """Return its own routes alone: those that ask the orders service need its certificates."""
    perimeter, shop = orders.declared_shop(settings["path"])
    app = guard(FastAPI(), perimeter)
    orders._own_routes(app, shop, orders._session(settings["path"]))
    return app


def boundary(
    name: str = "payments",
    kind: str = "webhook",
    *,
    mode: str = "enforced",
    waivers: tuple[WaiverFacts, ...] = (),
    claim: str = "invoice.paid",
    origin: str = "the provider",
) -> BoundaryFacts:
    """Return one boundary with one kind of claim, which has two proofs."""
    proofs = (
        ProofFacts("authentic", "HMAC", ("secret:one",), ""),
        ProofFacts("linked", "our own row", ("own:code",), "shop.py:12 row_of"),
    )
    ways = {"invent": (("secret:one",),), "repeat": ((),)}
    facts = ClaimFacts(claim, "0123456789abcdef", proofs, waivers, "shop.py:30 act", ways)
    asked = tuple(
        Question(number, text, "declared" if number < 9 else "not covered", "an answer")
        for number, text in enumerate(QUESTIONS, 1)
    )
    controllers = {"secret:one": "the provider", "own:code": "us"}
    thieves = {"secret:one": "invent", "own:code": "nothing alone"}
    owes = ("authentic", "fresh", "linked")
    return BoundaryFacts(name, kind, origin, mode, owes, (facts,), asked, thieves, controllers)


def waiver(until: date = date(2027, 1, 1), text: str = "a legacy sender") -> WaiverFacts:
    """Return a waiver of `fresh`."""
    return WaiverFacts("fresh", text, "ann", until, "10 a day")


def records(name: str = "payments", claim: str = "invoice.paid") -> list[Record]:
    """Return three crossings and one naked connection."""
    proofs = ("authentic", "linked")
    return [
        Record("c-1", AT, name, "webhook", Outcome.PROVEN, declaration=claim, proofs=proofs),
        Record("c-2", AT, name, "webhook", Outcome.PROVEN, declaration=claim, proofs=proofs),
        Record(
            "c-3",
            AT.replace(hour=12),
            name,
            "webhook",
            Outcome.REFUSED,
            declaration=claim,
            obligation="linked",
            code="mismatch",
            proofs=("authentic",),
        ),
        Record(
            "c-4",
            AT,
            "naked egress",
            "fetch",
            Outcome.WOULD_REFUSE,
            declaration="urllib3",
            code="unguarded_connection",
            detail="urllib3 connects outside any fetch policy: 10 so far",
        ),
    ]


def tried(outcome: str = "refused", digest: str = "0123456789abcdef") -> Tried:
    """Return one result of the test kit."""
    return Tried("payments", "invoice.paid", "WH-03", digest, outcome, AT)


def full_report() -> Report:
    """Return a report with every kind of evidence and of hole, under hostile names."""
    routes = (
        RouteFacts("GET /naked", "naked", "", "shop.py:1 naked"),
        RouteFacts("GET /old", "legacy", "", "shop.py:2 old"),
        RouteFacts("GET /accounts", "elsewhere", "authlib's own views", ""),
        RouteFacts("GET /health", "public", HOSTILE, "shop.py:3 health"),
        RouteFacts("* /socket", "elsewhere", "the chat", ""),
    )
    evidence = Evidence(
        (
            boundary(waivers=(waiver(),)),
            boundary("lapsed", waivers=(waiver(date(2026, 11, 1)),)),
            boundary(HOSTILE, origin=HOSTILE, claim=HOSTILE, waivers=(waiver(text=HOSTILE),)),
            boundary("watched", "partner", mode="observed until 2027-01-01 by ann: to see"),
            boundary("off", "fetch", mode="disabled"),
        ),
        routes,
        (f"debt {HOSTILE}",),
    )
    return report_of(
        evidence,
        of=HOSTILE,
        on=TODAY,
        log=count([*records(), *records(HOSTILE, HOSTILE), None], source=HOSTILE),
        tested=[tried(), tried("failed"), tried(digest="of another")],
        against={"WH-03": ("linked",)},
        egress={"asyncpg": HOSTILE},
    )


def empty_report() -> Report:
    """Return the report of an application that declares nothing."""
    return report_of(Evidence((), ()), of="empty:app", on=TODAY)


def as_json(report: Report) -> bytes:
    """Return its data, for a comparison."""
    return msgspec.json.encode(report)
