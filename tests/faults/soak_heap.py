"""What a process of the fault run holds: what the C library has handed out, and Python's own blocks.

Resident memory alone can't tell a leak from what the allocator keeps: these two grow by a leak only.
"""

import ctypes
import json
import sys
from pathlib import Path
from threading import Thread
from time import sleep

SECONDS = 1.0
"""Between two samples of a process."""
_FIELDS = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()


class _Info(ctypes.Structure):
    """What `mallinfo2` of glibc answers. Bytes; see mallinfo(3)."""

    _fields_ = [(name, ctypes.c_size_t) for name in _FIELDS]


def handed_out_kib() -> int:
    """Return what malloc has handed out and not got back; 0 where the C library doesn't tell."""
    ask = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if ask is None:
        return 0
    ask.restype = _Info
    told = ask()
    return int(told.uordblks + told.hblkhd) // 1024


def tell(file: Path) -> None:
    """Write what this process holds into a file, for as long as it lives."""

    def write() -> None:
        new = file.with_suffix(".new")
        while True:
            new.write_text(json.dumps([handed_out_kib(), sys.getallocatedblocks()]))
            new.replace(file)
            sleep(SECONDS)

    Thread(target=write, daemon=True).start()


def told(file: Path) -> tuple[int, int]:
    """Return the KiB handed out and the blocks of Python that a process told last; 0 for none."""
    try:
        kib, blocks = json.loads(file.read_text())
    except (OSError, ValueError):
        return 0, 0
    return int(kib), int(blocks)
