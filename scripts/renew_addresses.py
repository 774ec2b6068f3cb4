"""Renew the address tables of `fetch` from the IANA registries' CSV files.

    python -m scripts.renew_addresses IPV4.csv IPV6.csv --as-of 2025-10-09

It reads and writes files alone: whoever renews downloads. docs/reference/addresses.md says how.
"""

import argparse
import csv
import io
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final

MODULE: Final = Path(__file__).parents[1] / "src/pratique/fetch/special_purpose.py"
BEGIN: Final = "# --- written by scripts/renew_addresses.py ---\n"
END: Final = "# --- end of what is written ---\n"
COLUMNS: Final = (
    "Address Block",
    "Name",
    "RFC",
    "Allocation Date",
    "Termination Date",
    "Source",
    "Destination",
    "Forwardable",
    "Globally Reachable",
    "Reserved-by-Protocol",
)
IN_FORCE: Final = "N/A"
# A cell of a terminated block is empty; "N/A" says that it depends on what is inside.
VERDICTS: Final = {"True": True, "False": False, "N/A": False, "": False}
GLOBAL_UNICAST: Final = IPv6Network("2000::/3")
DECODED: Final = IPv6Network("64:ff9b::/96")
"""NAT64, RFC 6052: reachable outside 2000::/3; `address.py` judges what is inside."""
LINE_LENGTH: Final = 100
_FOOTNOTE: Final = re.compile(r"\s*\[[0-9]+\]")
_REFERENCE: Final = re.compile(r"\[RFC\s*([0-9]+)\]")
_written: Final = re.compile(r'^ {4}\("([0-9a-f.:/]+)", (?:True|False)\),', re.MULTILINE).findall
Network = IPv4Network | IPv6Network


class UnreadableError(ValueError):
    """A file isn't a registry as it was known when this was written. Nothing is changed."""


@dataclass(frozen=True, slots=True)
class Block:
    """One address block and what its registry says of it.

    Attributes:
        network: The block.
        is_reachable: "Globally Reachable" is True, and the block isn't terminated.
        words: Its name and RFCs.
    """

    network: Network
    is_reachable: bool
    words: str

    def line(self) -> str:
        """Return its line of the table."""
        text = f'    ("{self.network}", {self.is_reachable}),  # {self.words}'
        return (text if len(text) <= LINE_LENGTH else text[: LINE_LENGTH - 1] + "…") + "\n"


def read(text: str, version: int) -> list[Block]:
    """Return every block of a registry, in order of address, a parent before what is inside.

    Args:
        text: The file, as IANA publishes it.
        version: 4 or 6.

    Raises:
        UnreadableError: other columns, a cell of another form, a block twice, no block.

    Source: RFC 6890 §2.2.1; RFC 8190 §2.1.
    """
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    if not lines or tuple(lines[0]) != COLUMNS:
        raise UnreadableError(f"its columns are {lines[:1]}, and should be {list(COLUMNS)}.")
    found: dict[Network, Block] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not cells:
            continue
        for block in _blocks(cells, f"entry {number}"):
            if block.network.version != version:
                raise UnreadableError(f"{block.network} is no block of IPv{version}.")
            if block.network in found:
                raise UnreadableError(f"{block.network} stands there twice.")
            found[block.network] = block
    if not found:
        raise UnreadableError("it holds no block.")
    return sorted(
        found.values(), key=lambda block: (int(block.network[0]), block.network.prefixlen)
    )


def _blocks(cells: Sequence[str], where: str) -> Iterator[Block]:
    if len(cells) != len(COLUMNS):
        raise UnreadableError(f"{where} has {len(cells)} cells, and should have {len(COLUMNS)}.")
    row = dict(zip(COLUMNS, cells, strict=True))
    verdict = _bare(row["Globally Reachable"])
    if verdict not in VERDICTS:
        raise UnreadableError(f'{where}: "Globally Reachable" is {verdict!r}.')
    is_in_force = _bare(row["Termination Date"]) == IN_FORCE
    if is_in_force and not verdict:
        raise UnreadableError(f'{where}: "Globally Reachable" is empty in a block in force.')
    references = ", ".join(f"RFC {number}" for number in _REFERENCE.findall(row["RFC"]))
    name = " ".join(_bare(row["Name"]).split())
    words = f"{name}, {references}" if references else name
    for prefix in _bare(row["Address Block"]).split(","):
        try:
            network = ip_network(prefix.strip())
        except ValueError as error:
            raise UnreadableError(f"{where}: {error}.") from None
        yield Block(network, VERDICTS[verdict] and is_in_force, words)


def _bare(cell: str) -> str:
    """Return a cell without its footnotes' marks: "192.0.0.0/24 [2]", "False [1]"."""
    return _FOOTNOTE.sub("", cell).strip()


def written(ipv4: Collection[Block], ipv6: Collection[Block], as_of: date) -> str:
    """Return what stands between the two marks.

    A block of IPv6 outside 2000::/3 needs no line: nothing there is reachable.

    Raises:
        UnreadableError: a registry calls such a block reachable, beside NAT64's.
    """
    inside: list[Block] = []
    for block in ipv6:
        if GLOBAL_UNICAST.supernet_of(_ipv6(block)):
            inside.append(block)
        elif block.is_reachable and block.network != DECODED:
            raise UnreadableError(
                f"{block.network} is reachable and lies outside 2000::/3: "
                "that is decided by hand, in address.py."
            )
    return (
        f'AS_OF: Final = "{as_of.isoformat()}"\n'
        f"{_table('IPV4_REGISTRY', ipv4)}{_table('IPV6_REGISTRY', inside)}"
    )


def _ipv6(block: Block) -> IPv6Network:
    if not isinstance(block.network, IPv6Network):
        raise UnreadableError(f"{block.network} is no block of IPv6.")
    return block.network


def _table(name: str, blocks: Collection[Block]) -> str:
    lines = "".join(block.line() for block in blocks)
    return f"{name}: Final[tuple[tuple[str, bool], ...]] = (\n{lines})\n"


def renewed(module: str, text: str, *, gone: Collection[str] = ()) -> str:
    """Return the module with that text between its marks.

    Args:
        module: The module as it stands.
        text: From `written`.
        gone: Blocks that a registry has given up, by hand: a file that was cut off in the middle
            must open nothing.

    Raises:
        UnreadableError: a mark is missing, or a block would be lost that isn't named as gone.
    """
    before, begin, rest = module.partition(BEGIN)
    old, end, after = rest.partition(END)
    if not begin or not end:
        raise UnreadableError("special_purpose.py has lost its marks.")
    lost = set(_written(old)) - set(_written(text)) - set(gone)
    if lost:
        raise UnreadableError(
            f"{', '.join(sorted(lost))} would be lost. If the registry has really given that up, "
            "name each with --gone."
        )
    return f"{before}{begin}{text}{end}{after}"


def main(arguments: Sequence[str] | None = None, *, module: Path = MODULE) -> int:
    """Renew the module in place. Return 0, or 1 where a file can't be read: then nothing is."""
    parser = argparse.ArgumentParser(prog="python -m scripts.renew_addresses", description=__doc__)
    parser.add_argument("ipv4", type=Path, help="iana-ipv4-special-registry-1.csv")
    parser.add_argument("ipv6", type=Path, help="iana-ipv6-special-registry-1.csv")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, required=True, help='"Last Updated" of the registries'
    )
    parser.add_argument("--gone", action="append", default=[], metavar="BLOCK")
    given = parser.parse_args(arguments)
    try:
        text = written(_read(given.ipv4, 4), _read(given.ipv6, 6), given.as_of)
        old = module.read_text(encoding="utf-8")
        new = renewed(old, text, gone=given.gone)
    except UnreadableError as error:
        sys.stderr.write(f"{error}\nNothing was changed.\n")
        return 1
    module.write_text(new, encoding="utf-8")
    sys.stdout.write("Nothing is new.\n" if new == old else f"{module} is renewed.\n")
    return 0


def _read(path: Path, version: int) -> list[Block]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return read(file.read(), version)
    except (UnreadableError, OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableError(f"{path}: {error}") from None


if __name__ == "__main__":
    sys.exit(main())
