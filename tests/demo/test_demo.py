"""The demonstration ends by itself, and its exit code says whether the guarded API held."""

import subprocess
import sys

import pytest


@pytest.mark.slow
def test_the_guarded_api_holds_where_the_guide_s_two_handlers_do_not() -> None:
    """Every attack is stopped and everything honest goes through; the twins show that the attacks are real."""
    ran = subprocess.run(
        [sys.executable, "-m", "pratique", "demo"],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "guarded: 0 of" in ran.stdout
    assert "0 honest deliveries wrong" in ran.stdout.split("guarded: ")[1]
    tricked = {
        line.split(":")[0]: int(line.split()[1])
        for line in ran.stdout.splitlines()
        if " attacks succeeded" in line
    }
    assert tricked["vulnerable"] > tricked["safer"] > 10
    assert "If the endpoint secret leaks" in ran.stdout
