"""Write signatures as a reader wants them: short names, a line a parameter."""

import inspect
import re
from typing import Any, Final

MAX_LINE: Final = 88
MAX_DEFAULT: Final = 60
_VARIANCE: Final = re.compile(r"[~+-](?=[A-Za-z_])")
_QUALIFIED: Final = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])")


def signature(found: Any) -> str:
    """Return what a callable takes and gives, a line each where one line is too long."""
    try:
        told = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    parts: list[str] = []
    starred = False
    for parameter in told.parameters.values():
        if parameter.name in {"self", "cls"}:
            continue
        if parameter.name.startswith("_"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        starred = starred or parameter.kind is parameter.VAR_POSITIONAL
        parts.append(_parameter(parameter))
    returned = ""
    if not inspect.isclass(found) and told.return_annotation is not told.empty:
        returned = f" -> {annotation_of(told.return_annotation)}"
    line = f"({', '.join(parts)}){returned}"
    if len(line) <= MAX_LINE:
        return line
    return "(\n" + "".join(f"    {part},\n" for part in parts) + f"){returned}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    line = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        line += f": {annotation_of(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        shown = repr(parameter.default)
        shown = "…" if "<" in shown or len(shown) > MAX_DEFAULT else _QUALIFIED.sub("", shown)
        line += f" = {shown}"
    return line


def annotation_of(annotation: Any) -> str:
    """Return an annotation without the modules of its names."""
    if annotation is inspect.Parameter.empty:
        return "Any"
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return _QUALIFIED.sub("", _VARIANCE.sub("", text))


def returned_by(getter: Any) -> Any:
    """Return the annotation of what a property gives."""
    return inspect.signature(getter).return_annotation if getter else "Any"


def prefix(found: Any) -> str:
    """Return the words that stand before the name of a function."""
    return "async def " if inspect.iscoroutinefunction(found) else "def "
