"""A perimeter that workers import: a fetch, a partner, and an effect that happens once."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from pratique import Perimeter, Refused, Secret, stores
from pratique.core.claim import Claim, Fields
from pratique.events import JsonLines
from pratique.fetch import Fetch, FetchPolicy, Internal
from pratique.partner import Partner
from pratique.webhook import Webhook, providers

FOLDER = Path(os.environ["SHOP_FOLDER"])
PORT = int(os.environ["SHOP_PORT"])
WAY = FetchPolicy(
    hosts={"localhost"},
    schemes={"http"},
    ports={PORT},
    content_types={"application/json"},
    internal=[Internal("localhost", "127.0.0.0/8", PORT, "the test's own server")],
)


class Score(msgspec.Struct):
    order: str
    score: int


engine = create_engine(f"sqlite:///{FOLDER / 'shop.db'}", connect_args={"timeout": 10})
perimeter = Perimeter(
    store=stores.sqlalchemy(sessionmaker(engine)), events=JsonLines(FOLDER / "events.jsonl")
)
previews = perimeter.declare(Fetch("previews", WAY))
risk = perimeter.declare(Partner("risk", f"http://localhost:{PORT}", policy=WAY))
score_of = risk.call("GET /score/{order}", Score, about={"order": "order"})
payments = perimeter.declare(
    Webhook(
        "payments",
        providers.stripe(secrets=Secret.env("SHOP_HOOK"), livemode=True),
    )
)


@payments.on(
    "invoice.paid",
    confirm=lambda event: event.object_id,
    once=lambda key: key,
    link=lambda key, db: key,
    allow=lambda key, row: True,
)
def pay(_paid: object, db: Any) -> None:
    """Note which process did the effect."""
    db.execute(text("INSERT INTO effects (pid) VALUES (:pid)"), {"pid": os.getpid()})


def cross(content: str, fields: dict[str, str]) -> str:
    """Cross each kind of boundary once; return what was found, and in which process."""
    page = previews.get(f"http://localhost:{PORT}/score/o1")
    score = score_of.ask(values={"order": "o1"})
    claim = Claim(content.encode(), Fields(fields.items()), datetime.now(UTC))
    try:
        perimeter.admit(payments, claim)
    except Refused as refused:
        if refused.code != "replayed":
            raise
    return json.dumps([os.getpid(), len(page.value.content), score.value.score, page.crossing_id])
