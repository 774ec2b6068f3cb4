"""A door loads with the library that it serves, and with no other extra."""

import subprocess
import sys

import pytest

DOORS = {
    "aiohttp": ("aiohttp",),
    "celery": ("celery",),
    "django": ("django",),
    "httpx": ("httpx", "httpcore"),  # httpx stands on httpcore
    "requests": ("requests", "httpcore"),  # the extra `requests` brings `fetch`
}
EXTRAS = {name for needed in DOORS.values() for name in needed}


def loaded(door: str, *, without: set[str]) -> subprocess.CompletedProcess[str]:
    """Import a door in a process in which these libraries aren't installed."""
    script = (
        f"import sys\nfor name in {sorted(without)}: sys.modules[name] = None\n"
        f"import pratique.integrations.{door}"
    )
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("door", DOORS)
def test_a_door_needs_its_own_extra_alone(door: str) -> None:
    """`pip install pratique[aiohttp]` is enough for `FetchConnector`; so for each door that fetches."""
    done = loaded(door, without=EXTRAS - set(DOORS[door]))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("door", DOORS)
def test_without_its_library_it_names_what_is_missing(door: str) -> None:
    """The twin: what the test takes away is really gone."""
    done = loaded(door, without={door})
    assert done.returncode != 0
    said = (f"import of {door} halted", f"'{door}' is not a package")  # the second: of a submodule
    assert any(sentence in done.stderr for sentence in said)
