"""Write the reference of the command line: a heading a command, a line an option."""

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from pratique.cli.commands import app
from scripts.docstring import as_markdown

TITLE = "The command line"


def command_line() -> str:
    """Return the page, in Markdown."""
    lines = [f"# {TITLE}", "", "It comes with the extra `cli`: `pip install pratique[cli]`."]
    for name, command in commands().items():
        lines += ["", f"## pratique {name}", "", as_markdown(command.help or ""), ""]
        lines += [*_parameters(command)]
    return "\n".join(lines).rstrip() + "\n"


def commands() -> dict[str, Any]:
    """Return every command by its name."""
    found: Any = get_command(app)
    return dict(_below(found, ""))


def _below(group: Any, words: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _below(command, f"{words}{name} ")
        else:
            yield f"{words}{name}", command


def _parameters(command: Any) -> Iterator[str]:
    for each in command.params:
        is_option = each.param_type_name == "option"
        shown = ", ".join((*each.opts, *each.secondary_opts)) if is_option else each.name.upper()
        told = as_markdown(getattr(each, "help", None) or "")
        owed = " Required." if each.required else ""
        yield f"* `{shown}`: {told}{owed}".replace(": .", ".").rstrip(": ")
