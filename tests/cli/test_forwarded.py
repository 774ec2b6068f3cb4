"""`pratique forwarded check` without a proxy: what it asks for, what it finds, how it ends."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from typer.testing import CliRunner, Result

from pratique.cli.commands import app
from pratique.forwarded import ProxyPolicy
from pratique.forwarded.probes import TOKEN_VARIABLE
from pratique.integrations.starlette import guard
from tests.forwarded.doors import perimeter_of
from tests.processes import by_uvicorn, free_port

TOKEN = "k3y-" * 8
HOST, CLIENT = "api.example.com", "127.0.0.2"
careful = perimeter_of(
    ProxyPolicy(trusted=("10.0.0.0/8",), header="x-forwarded-for", hosts=(HOST,))
)
careless = perimeter_of(
    ProxyPolicy(trusted=("127.0.0.0/8",), header="x-forwarded-for", missing="peer", hosts=(HOST,))
)
"""A client in one of the networks that are trusted can say who it is."""
pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="another system has no 127.0.0.2"),
]


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the token."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)


@pytest.fixture(scope="module", params=["careful", "careless"])
def running(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """Serve an application without routes; give the perimeter's name and the port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(TOKEN_VARIABLE, TOKEN)
        guarded = guard(Starlette(), globals()[request.param])
        with by_uvicorn(guarded, proxy_headers=False) as port:
            yield request.param, port


def check(port: int, *more: str, perimeter: str = "careful", host: str = HOST) -> Result:
    """Run the command."""
    given = ["--url", f"http://127.0.0.1:{port}", "--host", host, "--source", CLIENT]
    place = ["--perimeter", f"tests.cli.test_forwarded:{perimeter}"]
    return CliRunner().invoke(app, ["forwarded", "check", *given, *place, *more])


def test_tells_whether_a_spoof_is_believed(running: tuple[str, int]) -> None:
    """Nothing to mend, and the twin: a client inside `trusted`."""
    name, port = running
    told = check(port, perimeter=name)
    if name == "careful":
        assert (told.exit_code, "0 to mend" in told.output) == (0, True), told.output
    else:
        assert told.exit_code == 1, told.output
        assert "X-Forwarded-For: 198.51.100.66 " in told.output
        assert told.output.count("BELIEVED") == 1


def test_another_client_than_the_one_that_asks_is_wrong(running: tuple[str, int]) -> None:
    """--client: a proxy that the policy doesn't know would be seen in its place."""
    told = check(running[1], "--client", "203.0.113.9")
    assert (told.exit_code, "203.0.113.9, and another one" in told.output) == (1, True)


@pytest.mark.parametrize(
    ("status", "perimeter", "why", "verdict"),
    [
        (200, "careful", "only observes, and lets everything through", "let through"),
        (500, "careful", "500 is a failure and no refusal", "failed"),
        (401, "careless", "127.0.0.2 is a proxy by the policy", "refused"),
        (401, "careful", "an honest request is refused: 401", "refused"),
    ],
)
def test_what_proves_nothing_is_called_by_its_name(
    answering: list[int], status: int, perimeter: str, why: str, verdict: str
) -> None:
    """What only observes refuses nothing, and what fails neither; the proxy is blamed where it may be at fault."""
    port, answering[0] = answering[1], status
    told = check(port, "--proxy", "nginx", perimeter=perimeter)
    assert (told.exit_code, why in told.output) == (1, True), told.output
    verdicts = {line.split("  ")[-1].strip() for line in told.output.splitlines() if "PX-" in line}
    assert verdicts == {verdict}
    assert ("mend: proxy_set_header" in told.output) is why.startswith("an honest")


@pytest.fixture(scope="module")
def answering() -> Iterator[list[int]]:
    """Serve one status to every request; give it, to be changed, and the port."""
    told = [200, 0]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("{}", told[0])(scope, receive, send)

    with by_uvicorn(app, proxy_headers=False, lifespan="off") as told[1]:
        yield told


def test_another_token_finds_nothing(
    running: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """2: nothing answers, and what to do."""
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN[::-1])
    told = check(running[1])
    assert (told.exit_code, "nothing answers the check" in told.output) == (2, True)


def test_nobody_there_is_said() -> None:
    """2: the connection is refused."""
    assert check(free_port()).exit_code == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--proxy", "squid"), "--proxy is one of"),
        (("--url", "ftp://x"), "--url is"),
        (("--perimeter", "tests.cli.test_forwarded:TOKEN"), "nor a perimeter"),
        (("--host", "evil.test"), "a host of the policy"),
    ],
)
def test_what_it_cannot_ask_is_said(more: tuple[str, str], words: str) -> None:
    """Usage, status 2, before anything is sent."""
    told = check(1, *more)
    assert told.exit_code == 2
    assert words in " ".join(told.output.replace("│", "").split())


def test_without_a_token_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which variable, here and there."""
    monkeypatch.delenv(TOKEN_VARIABLE)
    told = check(1)
    assert (told.exit_code, TOKEN_VARIABLE in told.output) == (2, True)
    assert TOKEN not in told.output
