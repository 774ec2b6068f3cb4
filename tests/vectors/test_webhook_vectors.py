"""Every signed delivery of the senders that we have, decided as it is labelled, and nothing but Refused raised."""

import base64
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pratique import Claim, Fields, Refused
from pratique.webhook import providers
from pratique.webhook.opened import Opened

NO_CLOCK = datetime(2001, 9, 9, tzinfo=UTC)
OVERRIDES: dict[str, tuple[bool, str]] = {}
"""id -> (our verdict, the reason): where we decide otherwise than the label. None so far."""


SENDERS = set(
    """
    adyen aws-sns box braintree coinbase-commerce contentful discord github gocardless hubspot line
    linear mailgun messagebird onfido openai paddle paypal pusher razorpay sanity sendgrid shopify
    slack square standard-webhooks stripe svix telnyx twilio workos x-twitter zoom
    """.split()
)


def _entries(name: str) -> list[dict[str, Any]]:
    folders = [Path(os.environ["PRATIQUE_VECTORS"])] if "PRATIQUE_VECTORS" in os.environ else []
    for folder in [*folders, Path(__file__).parent]:
        if (folder / name).is_file():
            entries: list[dict[str, Any]] = json.loads((folder / name).read_text())
            return [entry for entry in entries if entry["provider"] in providers.names()]
    return []


ENTRIES = _entries("webhooks.json")
CHALLENGES = _entries("challenges.json")


def _at_its_own_place(pem: str) -> Callable[[str], str]:
    def fetch(url: str) -> str:
        assert url.startswith("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-")
        return pem

    return fetch


def opened(entry: dict[str, Any]) -> Opened | None:
    """Open one entry; None where it is refused."""
    stamp = entry["received_at"]
    at = datetime.fromtimestamp(stamp, UTC) if stamp is not None else NO_CLOCK
    secrets = entry["secret"] if isinstance(entry["secret"], list) else [entry["secret"]]
    pins = dict(entry["pins"])
    if entry["key_kind"] == "x509":
        secrets, pins["fetch_certificate"] = [], _at_its_own_place(entry["secret"])
    try:
        claim = Claim(
            base64.b64decode(entry["content_b64"]), Fields(list(entry["fields"].items())), at
        )
        return providers.get(entry["provider"]).open(
            claim, secrets=secrets, url=entry["url"], **pins
        )
    except Refused:
        return None


def test_vectors_are_there_for_each_sender(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty file must not pass. Prints how many there are."""
    with capsys.disabled():
        print(f" [{len(ENTRIES)} webhook vectors]", end="")
    assert {entry["provider"] for entry in ENTRIES} == SENDERS


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_a_delivery_is_decided_as_labelled(entry: dict[str, Any]) -> None:
    """`layer: boundary` means that open() succeeds, and the boundary refuses for another reason."""
    label = entry["valid"] or entry["layer"] == "boundary"
    wanted = OVERRIDES[entry["id"]][0] if entry["id"] in OVERRIDES else label
    assert (opened(entry) is not None) is wanted, entry["case"]


def test_github_s_unsigned_fields_are_no_part_of_the_key() -> None:
    """WH-32: another event type, another delivery id, a year later: the same key, so that `unique` refuses."""
    keys = {
        found.key
        for entry in ENTRIES
        if entry["id"] in ("github-303", "github-304") and (found := opened(entry)) is not None
    }
    assert len(keys) == 1


@pytest.mark.parametrize("entry", CHALLENGES, ids=[entry["id"] for entry in CHALLENGES])
def test_a_handshake_is_answered_as_the_sender_says(entry: dict[str, Any]) -> None:
    """The case holds what is asked and, behind the arrow, what answers it."""
    asked, _, wanted = entry["case"].partition(" -> ")
    content = base64.b64decode(entry["content_b64"])
    assert content.decode() in asked
    found = providers.get(entry["provider"]).answer(
        Claim(content, Fields(), NO_CLOCK), secrets=[entry["secret"]], **entry["pins"]
    )
    assert found.decode() == wanted
    with pytest.raises(Refused):
        providers.get(entry["provider"]).answer(
            Claim(content + b"{}", Fields(), NO_CLOCK), secrets=[entry["secret"]], **entry["pins"]
        )
