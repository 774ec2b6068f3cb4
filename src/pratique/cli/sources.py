"""Where the files of an application lie, for code hosts that show a finding at its line."""

import os
from pathlib import Path
from typing import Final

MAX_FILES: Final = 100_000


def sources_under(root: Path) -> dict[str, str]:
    """Return the path of each Python file below a folder, by its name alone.

    A name that two files bear is left out: a finding at the wrong line is worse than at none.

    Args:
        root: What is hidden in it, and environments, aren't looked into; nor are more than 100,000
            files.
    """
    found: dict[str, list[str]] = {}
    seen = 0
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if _is_looked_into(Path(folder) / name))
        for name in sorted(files):
            if name.endswith(".py") and seen < MAX_FILES:
                seen += 1
                path = (Path(folder) / name).relative_to(root)
                found.setdefault(name, []).append(path.as_posix())
    return {name: paths[0] for name, paths in found.items() if len(paths) == 1}


def _is_looked_into(folder: Path) -> bool:
    is_left_out = folder.name.startswith(".") or folder.name in ("node_modules", "__pycache__")
    return not is_left_out and not (folder / "pyvenv.cfg").exists()
