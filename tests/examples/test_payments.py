"""examples/payments: an event is a trigger; what counts is what the provider says when asked."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from examples.payments import provider

ROOT = Path(__file__).parents[2]
SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
Delivery = tuple[bytes, dict[str, str]]


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    """Serve the provider of the example on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), provider.Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def sent(twin: str, deliveries: list[Delivery], *, api: str, folder: Path) -> Any:
    """Send deliveries to one of the two, and read the rows back."""
    told = {
        "TWIN": twin,
        "DJANGO_SETTINGS_MODULE": "examples.payments.settings",
        "DJANGO_SECRET_KEY": "s" * 50,
        "STRIPE_WEBHOOK_SECRET": SECRET,
        "STRIPE_API": api,
        "DATABASE": str(folder / "payments.db"),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.examples.served_by_django"],
        cwd=ROOT,
        env=os.environ | told,
        input=json.dumps([(content.decode(), fields) for content, fields in deliveries]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def honest(invoice: str, customer: str = "cus_ann", *, id: str = "") -> Delivery:
    """Return a delivery that the provider signed."""
    content = provider.event_of(invoice, customer, id=id)
    return content, provider.signed(content, SECRET)


def test_whoever_finds_the_url_is_upgraded_where_events_are_believed(
    api: str, tmp_path: Path
) -> None:
    """WH-01, WH-14: an event that nobody signed, twice; the twin shows that the attack is real."""
    forged = (provider.event_of("in_made_up", "cus_bob"), dict[str, str]())
    found = sent("vulnerable", [honest("in_ann"), forged, forged], api=api, folder=tmp_path)
    assert found["rows"] == {"cus_ann": ["active", 1], "cus_bob": ["active", 2]}


def test_a_paid_invoice_upgrades_once_and_nothing_else_does(api: str, tmp_path: Path) -> None:
    """Forged, replayed, told again by another event, too cheap, void, made up: one upgrade."""
    forged = (provider.event_of("in_ann", "cus_bob"), dict[str, str]())
    paid = honest("in_ann")
    found = sent(
        "app",
        [
            forged,
            paid,
            paid,
            honest("in_ann", id="evt_other"),
            honest("in_ann", "cus_bob", id="evt_bob"),
            honest("in_cheap", "cus_bob"),
            honest("in_void", "cus_bob"),
            honest("in_made_up", "cus_bob"),
        ],
        api=api,
        folder=tmp_path,
    )
    assert found["rows"] == {"cus_ann": ["active", 1], "cus_bob": ["pending", 0]}
    assert found["statuses"][:3] == [401, 200, 200]
