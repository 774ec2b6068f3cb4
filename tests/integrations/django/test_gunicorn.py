"""A project behind gunicorn: loaded before the fork, served by workers, read from a real socket."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pratique.webhook import providers

ROOT = Path(__file__).parents[3]
SECRET = "whsec_8sPq2Lx0Vt7RkYw3Zb5N"
SITE = """
from django.conf import settings
settings.configure(
    SECRET_KEY="s" * 50,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF="site_urls",
    INSTALLED_APPS=["pratique.integrations.django"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "site.db",
        "OPTIONS": {"init_command": "PRAGMA journal_mode = WAL", "timeout": 5}}},
    MIDDLEWARE=["pratique.integrations.django.Guard"],
    PRATIQUE={"PERIMETER": "site_urls.perimeter"},
)
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
from site_urls import perimeter
assert perimeter.is_started  # before the fork, with no request
"""
URLS = """
import os
from django.urls import path
from pratique import Perimeter, Secret
from pratique.integrations.django import endpoint, store
from pratique.webhook import Webhook, providers


perimeter = Perimeter(store=store())
payments = perimeter.declare(
    Webhook("payments", providers.stripe(secrets=Secret(os.environ["HOOK"], name="main"), livemode=True))
)

@payments.on(
    "invoice.paid",
    confirm=lambda event: event.object_id,
    once=lambda key: key,
    link=lambda key, using: key,
    allow=lambda key, row: True,
)
def pay(paid, using):
    with open("effects", "a") as effects:
        effects.write(f"{os.getpid()}\\n")

urlpatterns = [path("hook", endpoint(payments))]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Serve it by two workers of one master that loaded it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "site_wsgi.py").write_text(SITE)
    (folder / "site_urls.py").write_text(URLS)
    command = "gunicorn --preload --workers 2 --threads 2 --bind 127.0.0.1:0 site_wsgi:application"
    server = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=folder,
        env=os.environ | {"HOOK": SECRET, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'src'}"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        told: list[str] = []
        for line in server.stderr:
            told.append(line)
            found = re.search(r"Listening at: (http://[\d.:]+)", line)
            if found:
                yield found[1], folder
                break
        else:
            pytest.fail("".join(told))
    finally:
        server.terminate()
        server.wait(10)
        if server.stderr is not None:
            server.stderr.close()


def signed(event: str, invoice: str) -> tuple[bytes, dict[str, str]]:
    """Return one delivery of now."""
    content = (
        f'{{"id":"{event}","type":"invoice.paid","livemode":true,'
        f'"data":{{"object":{{"id":"{invoice}"}}}}}}'
    ).encode()
    sealed = providers.get("stripe").seal(content, secret=SECRET, at=datetime.now(UTC))
    return content, dict(sealed)


def test_workers_of_a_master_that_loaded_it_share_one_effect(site: tuple[str, Path]) -> None:
    """The same delivery by many connections: one effect; in chunks, it is read as well."""
    url, folder = site
    content, fields = signed("evt_1", "in_1")
    for _ in range(6):
        assert httpx.post(f"{url}/hook", content=content, headers=fields).status_code == 200
    assert len((folder / "effects").read_text().split()) == 1
    content, fields = signed("evt_2", "in_2")
    answer = httpx.post(f"{url}/hook", content=iter([content[:9], content[9:]]), headers=fields)
    assert answer.status_code == 200
    assert len((folder / "effects").read_text().split()) == 2


def test_what_is_not_a_delivery_has_no_effect(site: tuple[str, Path]) -> None:
    """Forged, twice signed, too large by its length or by its chunks: refused, and the worker lives on."""
    url, folder = site
    content, fields = signed("evt_3", "in_3")
    before = (folder / "effects").read_text() if (folder / "effects").exists() else ""
    twice = [*fields.items(), *fields.items()]
    large = iter([b"x" * 65536] * 17)
    answers = [
        httpx.post(f"{url}/hook", content=content),
        httpx.post(f"{url}/hook", content=content, headers=twice),
        httpx.post(f"{url}/hook", content=b"x" * 10, headers={"stripe-signature": "t=1,v1=00"}),
        httpx.post(f"{url}/hook", content=large),
    ]
    assert [answer.status_code for answer in answers] == [401, 401, 401, 413]
    assert raw(url, b"Content-Length: 9999999999\r\n") == b"413"
    assert ((folder / "effects").read_text() if before else "") == before
    assert httpx.post(f"{url}/hook", content=content, headers=fields).status_code == 200


def raw(url: str, lines: bytes) -> bytes:
    """Send a request whose content never comes; return the status."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST /hook HTTP/1.1\r\nHost: t\r\n" + lines + b"\r\n")
        return connection.recv(4096).split()[1]
