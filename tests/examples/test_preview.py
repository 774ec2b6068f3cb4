"""examples/preview: a user's URL leads where the policy says, and no redirect further."""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from starlette.testclient import TestClient

from examples.preview import app as guarded
from examples.preview import sites, vulnerable

Ports = tuple[int, int]


@pytest.fixture(scope="module")
def ports() -> Iterator[Ports]:
    """Serve the wiki and what nobody may reach."""
    with sites.secrets(0) as inside, sites.wiki(0, inside.server_port) as wiki:
        for site in (inside, wiki):
            Thread(target=site.serve_forever, daemon=True).start()
        yield wiki.server_port, inside.server_port
        wiki.shutdown()
        inside.shutdown()


def asked(app: Any, url: str) -> Any:
    """Ask for one preview."""
    with TestClient(app) as client:
        return client.post("/previews", json={"url": url})


def test_a_user_reads_what_is_inside_where_urls_are_believed(ports: Ports) -> None:
    """FT-01, FT-05: by its address, and by a redirect of a host that is fine."""
    wiki, inside = ports
    for url in (f"http://127.0.0.1:{inside}/", f"http://127.0.0.1:{wiki}/away"):
        assert sites.WORD in asked(vulnerable.create_app(), url).text


def test_nothing_inside_is_read(ports: Ports) -> None:
    """The same two are refused; so are other spellings of loopback and the metadata endpoint."""
    wiki, inside = ports
    for url in (
        f"http://127.0.0.1:{inside}/",
        f"http://127.0.0.1:{wiki}/away",
        f"http://0x7f000001:{inside}/",
        "http://169.254.169.254/latest/meta-data/",
        f"http://wiki.example@127.0.0.1:{inside}/",
        "file:///etc/passwd",
    ):
        answer = asked(guarded.create_app(wiki), url)
        assert answer.status_code in (400, 403), (url, answer.text)
        assert sites.WORD not in answer.text


@pytest.mark.parametrize("is_guarded", [False, True])
def test_the_wiki_has_previews(ports: Ports, is_guarded: bool) -> None:
    """The twin: a declared page is shown by both."""
    app: Any = guarded.create_app(ports[0]) if is_guarded else vulnerable.create_app()
    assert "How we pack" in asked(app, f"http://127.0.0.1:{ports[0]}/").json()["preview"]
