"""The small internet of the demonstration: names by a table, every address led to loopback.

A process that is under attack enters it at its start. All three APIs of a scenario have the same
table, so that the comparison is fair; whatever address one of them connects to, the connection ends
at the party that the table names, else at the canary. So a private address can be attacked, a name
can move between two lookups, and still nothing leaves this machine.
"""

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

HANGS: Final = "hangs"
"""In the place of addresses: the resolver doesn't answer while the table says so."""
Answers = Sequence[Sequence[str]] | str
"""Of one name: the addresses at the first lookup, at the second, …; the last one stays."""
_MOMENT: Final = 0.02


def write(table: Path, *, names: Mapping[str, Answers], ways: Mapping[str, int]) -> None:
    """Write a table.

    Args:
        table: The file.
        names: What each name leads to. "*" is any other name.
        ways: "address:port": where that really is on loopback. "*" is any other one.
    """
    made = table.with_suffix(".new")
    made.write_text(json.dumps({"names": names, "ways": ways, "of": time.monotonic_ns()}))
    os.replace(made, table)  # noqa: PTH105  atomic: the other side reads at any time


class Network:
    """Takes the place of the resolver and of `connect` in this process.

    Args:
        table: As `write` wrote it; looked at anew each time.
    """

    def __init__(self, table: Path) -> None:
        self._table = table
        self._of = 0
        self._lookups: dict[str, int] = {}
        self._getaddrinfo = socket.getaddrinfo
        self._connect = socket.socket.connect

    def enter(self) -> None:
        """Put it in place, for good."""
        lead, connect = self._lead, self._connect

        def connect_by_the_table(self: socket.socket, address: Any) -> None:
            connect(self, lead(self.family, address))

        setattr(socket, "getaddrinfo", self.getaddrinfo)  # noqa: B010  a module's own function
        setattr(socket.socket, "connect", connect_by_the_table)  # noqa: B010  a class's own method

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: int | str | None,
        family: int = 0,
        type: int = 0,  # the names of the original
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Answer by the table; an address, in whatever spelling the system reads, is itself."""
        try:
            return self._getaddrinfo(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        except socket.gaierror:
            name = (host.decode() if isinstance(host, bytes) else host or "").rstrip(".").lower()
        found = [
            entry
            for address in self._addresses(name)
            for entry in self._getaddrinfo(
                address, port, 0, type, proto, flags | socket.AI_NUMERICHOST
            )
            if family in (0, entry[0])
        ]
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found

    def _addresses(self, name: str) -> Sequence[str]:
        table = self._read()
        if table["of"] != self._of:
            self._of = table["of"]
            self._lookups.clear()
        answers = table["names"].get(name, table["names"].get("*", [[]]))
        while answers == HANGS:
            time.sleep(_MOMENT)
            answers = self._read()["names"].get(name, [[]])
        turn = self._lookups[name] = self._lookups.get(name, -1) + 1
        found: Sequence[str] = answers[min(turn, len(answers) - 1)]
        return found

    def _lead(self, family: int, address: Any) -> Any:
        """Return where a connection really goes: always to loopback."""
        if family not in (socket.AF_INET, socket.AF_INET6):
            return address
        host, port = str(address[0]), int(address[1])
        ways = self._read()["ways"]
        port = ways.get(f"{host}:{port}", ways["*"])
        loopback = "127.0.0.1" if family == socket.AF_INET else "::ffff:127.0.0.1"
        return (loopback, port, *address[2:])

    def _read(self) -> Any:
        return json.loads(self._table.read_text())
