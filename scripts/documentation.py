"""Make the documentation's pages into a site; `mkdocs.yml` names it as its hook.

The reference is written from docstrings, and the pages at the root of the repository come along.
"""

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any, Final

from django.conf import settings
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

from scripts.command_line import command_line  # noqa: E402  mkdocs loads a hook by its path
from scripts.reference import PAGES, file_of, page_of  # noqa: E402
from scripts.senders import senders  # noqa: E402

API: Final = "reference/api"
COMMANDS: Final = "reference/command-line.md"
SENDERS: Final = "reference/senders.md"
PROJECT: Final = tuple(page.name for page in sorted(ROOT.glob("*.md")))
_LINK: Final = re.compile(r"\[([^\[\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)((?:#[^)]*)?)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of the API behind the other pages of the reference."""
    if not settings.configured:
        settings.configure()
    shelf = next(each["Reference"] for each in config.nav if "Reference" in each)
    shelf.append(SENDERS)
    shelf.append(COMMANDS)
    shelf.append({"API": [{name: f"{API}/{file_of(name)}"} for name in PAGES]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what isn't in the folder: the API's pages, and those at the root."""
    files.append(File.generated(config, SENDERS, content=senders()))
    files.append(File.generated(config, COMMANDS, content=command_line()))
    for name in PAGES:
        uri = f"{API}/{file_of(name)}"
        files.append(File.generated(config, uri, content=page_of(name)))
    for name in PROJECT:
        content = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, f"project/{name}", content=content))
    return files


def on_page_markdown(markdown: str, *, page: Any, files: Files, **_: object) -> str:
    """Lead each link to where its target is on the site; what isn't there stays as text."""
    uri = PurePosixPath(page.file.src_uri)
    folder = PurePosixPath() if uri.parts[0] == "project" else ("docs" / uri).parent

    def led(found: re.Match[str]) -> str:
        text, link, anchor = found.groups()
        target = _joined(folder, link)
        inside = f"project/{target}" if target in PROJECT else target.removeprefix("docs/")
        if files.get_file_from_path(inside) is None:
            return found.group() if target.startswith("docs/") else text
        return f"[{text}]({'../' * (len(uri.parts) - 1)}{inside}{anchor})"

    return _LINK.sub(led, markdown)


def _joined(folder: PurePosixPath, link: str) -> str:
    parts: list[str] = list(folder.parts)
    for part in link.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
