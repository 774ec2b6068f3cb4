"""Where vectors lie: in the folder that PRATIQUE_VECTORS names, else in tests/vectors."""

import json
import os
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "vectors"


def find(name: str) -> Path | None:
    """Return the path of a file of vectors; None where it is absent."""
    named = os.environ.get("PRATIQUE_VECTORS")
    for folder in ([Path(named)] if named else []) + [HERE]:
        if (folder / name).is_file():
            return folder / name
    return None


def read(path: Path) -> list[dict[str, Any]]:
    """Return every entry of a .json list or a .jsonl file. An empty file is an error."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        entries = [json.loads(line) for line in text.splitlines() if line.strip()]
    else:
        entries = json.loads(text)
    if not entries:
        raise ValueError(f"{path} holds no vectors")
    return entries
