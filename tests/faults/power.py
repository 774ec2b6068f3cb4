"""A disk that remembers: an apsw VFS records each write and sync, so that the power can be cut anywhere later."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import apsw

SECTOR_BYTES = 512
"""A disk writes a sector whole or not at all; what is longer can be torn between two sectors."""
_NEW_NAME_IS_SYNCED = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
"""SQLite syncs the folder with the first sync of a journal or WAL that it made (os_unix.c, UNIXFILE_DIRSYNC)."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, in order: open, write, truncate, sync, delete, or an answer to a caller."""

    what: str
    name: str = ""
    file: int = 0
    offset: int = 0
    data: bytes = b""
    syncs_folder: bool = False


class Disk(apsw.VFS):
    """A file system over the real one that writes down what is done to it. Syncs are recorded and not carried out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.steps: list[Step] = []
        self._files = 0
        super().__init__(name, base="")

    def connect(self, path: str) -> apsw.Connection:
        """Open a database on this disk: what `stores.sqlite(path, connect=…)` takes."""
        return apsw.Connection(path, vfs=self.name)

    def answered(self, key: bytes) -> None:
        """Write down that a caller was told that its claim is kept."""
        self.steps.append(Step("answer", data=key))

    def xOpen(self, name: Any, flags: list[int]) -> "_File":  # noqa: N802  SQLite's own names
        """Open a file, and know it by a number: after a deletion the same name is another file."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._files += 1
        return _File(self, path, flags, self._files)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        """Delete a name."""
        super().xDelete(filename, syncdir)
        self.steps.append(Step("delete", Path(filename).name, syncs_folder=bool(syncdir)))


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, path: str, flags: list[int], number: int) -> None:
        self._steps, self._name, self._number = disk.steps, Path(path).name, number
        self._syncs_folder = bool(flags[0] & _NEW_NAME_IS_SYNCED) and not Path(path).exists()
        if self._name:
            self._note("open")
        super().__init__("", path, flags)

    def _note(
        self, what: str, offset: int = 0, data: bytes = b"", *, syncs_folder: bool = False
    ) -> None:
        self._steps.append(Step(what, self._name, self._number, offset, data, syncs_folder))

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._note("write", offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._note("truncate", newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._note("sync", syncs_folder=self._syncs_folder)
        self._syncs_folder = False


@dataclass(slots=True)
class _Image:
    """What of one file is on the platter, and what still waits in the cache."""

    durable: bytearray = field(default_factory=bytearray)
    waiting: list[Step] = field(default_factory=list)

    def sync(self) -> None:
        for step in self.waiting:
            _apply(self.durable, step)
        self.waiting.clear()

    def after_the_cut(self, chance: random.Random) -> bytes:
        """Return the file as it may be found: of what waited each sector is there or not, in no order."""
        content = bytearray(self.durable)
        for step in self.waiting:
            if step.what == "truncate":
                if chance.random() < 0.5:
                    _apply(content, step)
                continue
            for sector in _sectors(step):
                if chance.random() < 0.5:
                    _apply(content, sector)
        return bytes(content)


def _sectors(write: Step) -> Iterator[Step]:
    at, end = write.offset, write.offset + len(write.data)
    while at < end:
        edge = min(end, (at // SECTOR_BYTES + 1) * SECTOR_BYTES)
        yield Step("write", offset=at, data=write.data[at - write.offset : edge - write.offset])
        at = edge


def _apply(content: bytearray, step: Step) -> None:
    if len(content) < step.offset:
        content.extend(bytes(step.offset - len(content)))
    if step.what == "truncate":
        del content[step.offset :]
    else:
        content[step.offset : step.offset + len(step.data)] = step.data


class Cuts:
    """Goes through what a disk recorded and cuts the power at the given numbers of steps."""

    def __init__(self, steps: list[Step], chance: random.Random) -> None:
        self._steps, self._chance = steps, chance
        self._files: dict[int, _Image] = {}
        self._folder: dict[str, int] = {}
        self._waiting_names: list[Step] = []
        self.answered: list[bytes] = []
        """The claims that were acknowledged before the cut."""

    def at(self, cuts: list[int], folder: Path) -> Iterator[Self]:
        """For each cut, in order: write the files as they may be found into *folder*, and yield."""
        done = 0
        for cut in sorted(cuts):
            for step in self._steps[done:cut]:
                self._take(step)
            done = cut
            self._leave(folder)
            yield self

    def _take(self, step: Step) -> None:
        if step.what == "answer":
            self.answered.append(step.data)
        elif step.what == "open":
            known = self._now().get(step.name)
            self._files[step.file] = _Image() if known is None else self._files[known]
            if known is None:
                self._waiting_names.append(step)
        elif step.what == "delete":
            self._waiting_names.append(step)
        elif step.what == "sync":
            self._files[step.file].sync()
        else:
            self._files[step.file].waiting.append(step)
        if step.syncs_folder:
            self._folder, self._waiting_names = self._now(), []

    def _now(self, names: int | None = None) -> dict[str, int]:
        """Return the folder with the first *names* of the changes that wait, or all of them."""
        folder = dict(self._folder)
        for step in self._waiting_names[:names]:
            if step.what == "delete":
                folder.pop(step.name, None)
            else:
                folder[step.name] = step.file
        return folder

    def _leave(self, folder: Path) -> None:
        for path in folder.iterdir():
            path.unlink()
        found = self._now(self._chance.randint(0, len(self._waiting_names)))
        for name, number in found.items():
            (folder / name).write_bytes(self._files[number].after_the_cut(self._chance))
