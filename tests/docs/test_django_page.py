"""The project of docs/how-to/guard-a-django-project.md, written down from its page, runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "guard-a-django-project.md"
FILE = re.compile(r"```python\n# (?P<path>[\w/]+\.py)\n(?P<text>.*?)```", re.DOTALL)
RUN = """
import os, runpy
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
from django.core.management import call_command
call_command("check", tags=["security"])  # no check of Django's reads the URLconf before ours
call_command("check")
call_command("migrate", run_syncdb=True, verbosity=0)
runpy.run_path("try_it.py")
"""
LOOK = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
from pratique.integrations.django.settings import described_project
print(described_project().perimeter.debts())
"""


def run(folder: Path, text: str, script: str = RUN) -> subprocess.CompletedProcess[str]:
    """Write each file of a page down, and run the project in a process of its own."""
    for found in FILE.finditer(text):
        path = folder / found["path"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(found["text"], encoding="utf-8")
    (folder / "shop" / "__init__.py").touch()
    known = {"DJANGO_SECRET_KEY": "s" * 50, "STRIPE_WEBHOOK_SECRET": "whsec_8sPq2Lx0Vt7RkYw3"}
    environment = os.environ | known | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'src'}"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_project_of_the_page_runs(tmp_path: Path) -> None:
    """What a reader copies starts, proves and refuses as the page says."""
    done = run(tmp_path, PAGE.read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


def test_the_command_line_sees_what_its_views_declare(tmp_path: Path) -> None:
    """It asks for debts before it reads any route: by then the views have been imported."""
    done = run(tmp_path, PAGE.read_text(encoding="utf-8"), LOOK)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_route_that_the_page_forgot_would_be_found(tmp_path: Path) -> None:
    """The rule bites: without its reason, the public view is naked and the project doesn't start."""
    text = PAGE.read_text(encoding="utf-8")
    marked = '@Public("says only that the process runs")\n'
    assert marked in text
    done = run(tmp_path, text.replace(marked, ""))
    assert done.returncode != 0
    assert "/health/ is naked" in done.stderr
