"""One attack has one verdict: its status, code, obligation, fields and body on FastAPI are those everywhere."""

from pathlib import Path

import pytest

from pratique.forwarded.attacks import ATTACKS
from tests.attacks.attempts import FRAMEWORKS, Verdict, attacks, honest, opened
from tests.attacks.test_proxy_attacks import DOORS as PROXY_DOORS
from tests.attacks.test_proxy_attacks import Sender

OTHERS = [name for name in FRAMEWORKS if name != "fastapi"]
FOLDED = "WSGI joins two lines of a field by a comma: that is one value, which is malformed"
OTHERWISE = {
    (framework, title): FOLDED
    for framework in ("flask", "django")
    for title in ("webhook two signatures", "service SV-17 two lines")
}
"""(framework, attack): why its verdict can't be FastAPI's; it is refused there too."""
DROPPED = "gunicorn drops a field with an underscore, so that nothing of it is seen"
PROXY_OTHERWISE = {
    (door, "PX-03 an underscore"): DROPPED
    for door in ("wsgi", "flask", "django wsgi", "django, guarded twice")
}


def verdicts(folder: Path, framework: str) -> dict[str, Verdict]:
    """Return what comes of every attempt, by its title; an honest one of each room comes last."""
    folder.mkdir()
    with opened(folder, framework) as rooms:
        return {f"{a.room} {a.title}": rooms[a.room].send(a) for a in [*attacks(), *honest()]}


@pytest.fixture(scope="module")
def of_fastapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Give the verdicts that count."""
    return verdicts(tmp_path_factory.mktemp("verdicts") / "fastapi", "fastapi")


@pytest.mark.parametrize("framework", OTHERS)
def test_an_attack_has_the_same_verdict(
    of_fastapi: dict[str, Verdict], tmp_path: Path, framework: str
) -> None:
    """Obligation, code, status, fields and body: nothing of them depends on who serves."""
    found = verdicts(tmp_path / framework, framework)
    different = {
        title: (found[title], verdict)
        for title, verdict in of_fastapi.items()
        if found[title] != verdict and not title.endswith("honest")
    }
    assert sorted(different) == sorted(title for door, title in OTHERWISE if door == framework)


def test_every_attack_is_refused_once_and_the_honest_ones_cross(
    of_fastapi: dict[str, Verdict],
) -> None:
    """The table is no brick wall, and none of it passes: one count each, of one outcome."""
    wrong = {}
    for title, verdict in of_fastapi.items():
        ((_, _, outcome, obligation, code),) = verdict.counted
        if title.endswith("honest"):
            assert (title, verdict.status, outcome) == (title, 200, "proven")
        elif not (obligation and code) or (outcome == "refused") != (verdict.status >= 400):
            wrong[title] = verdict
    assert wrong == {}


@pytest.mark.parametrize("door", [name for name in PROXY_DOORS if name != "fastapi"])
def test_a_word_of_a_proxy_has_the_same_verdict(door: str) -> None:
    """Status, and what the application sees: client, scheme, host and country."""
    expected, found = Sender(*PROXY_DOORS["fastapi"]), Sender(*PROXY_DOORS[door])
    different = {
        f"{attack.id} {attack.title}"
        for attack in ATTACKS
        if found.send(attack) != expected.send(attack)
    }
    assert sorted(different) == sorted(title for name, title in PROXY_OTHERWISE if name == door)
