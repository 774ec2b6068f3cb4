"""Each Python block that a reader would copy runs, in order, as it stands on its page."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser

from tests.docs.pages import ROOT, runnable_pages

OWN_PROCESS = frozenset({"use-djangos-database.md"})
"""Pages that configure what a process configures once."""
PARSERS = Sybil(parsers=[SkipParser(), PythonCodeBlockParser()])


def run(page: Path) -> int:
    """Run every Python block of a page in one namespace and return how many there were.

    Above a block that can't run, `<!-- skip: next "why" -->` skips it and says why.
    """
    document = PARSERS.parse(page)
    examples = list(document.examples())
    # Like a module, as a reader's file is one: strawberry looks up there what annotations name.
    page_module: Any = Namespace()
    page_module.__dict__ = document.namespace
    document.namespace["__name__"] = "page"
    sys.modules["page"] = page_module
    try:
        for example in examples:
            example.evaluate()
    finally:
        del sys.modules["page"]
    return len(examples)


@pytest.mark.parametrize("page", runnable_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What we tell a reader to type works, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    if page.name not in OWN_PROCESS:
        run(page)
        return
    script = (
        "import pathlib, sys\nfrom tests.docs.test_code_blocks import run\n"
        "sys.exit(run(pathlib.Path(sys.argv[1])) == 0)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, page],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_block_that_fails_is_found(tmp_path: Path) -> None:
    """The rule bites, blocks share their names, and the twin passes."""
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\nif x != 1:\n    raise ValueError\n```\n")
    assert run(page) == 2
    page.write_text("```python\nraise ValueError\n```\n")
    with pytest.raises(ValueError, match=r"^$"):
        run(page)
