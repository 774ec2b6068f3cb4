"""Ask the proxies that are installed here what they make of spoofs, and write it down.

    python -m scripts.ask_proxies

It starts each of nginx, HAProxy, Caddy and Envoy, configured as its preset says, in front of
uvicorn and gunicorn, sends the requests of `pratique forwarded check` and writes
docs/reference/proxies.md below its mark. A proxy that isn't installed keeps what was measured.
"""

import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pratique.cli.asking import Asking, answered_of
from pratique.forwarded.probes import TOKEN_VARIABLE, Answered, Probe, probes_of
from tests.forwarded.behind import ARRIVED, POLICY
from tests.forwarded.gateways import CLIENT, GATEWAYS, HOST, Gateway, served

PAGE: Final = Path(__file__).parents[1] / "docs/reference/proxies.md"
MARK: Final = "<!-- written by scripts/ask_proxies.py -->\n"
COLUMNS: Final = ("request", "what arrives", "uvicorn", "gunicorn", "why")
_section: Final = re.compile(r"^## (\S+) .*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
Arrived = tuple[tuple[str, str], ...] | None
"""Fields that reached the server's application; None where no request did."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One probe and what came of it behind one server."""

    probe: Probe
    answered: Answered
    arrived: Arrived


@contextmanager
def checked() -> Iterator[str]:
    """Hold a token of the check in the environment."""
    before = os.environ.get(TOKEN_VARIABLE)
    os.environ[TOKEN_VARIABLE] = token = secrets.token_urlsafe(32)
    try:
        yield token
    finally:
        if before is None:
            del os.environ[TOKEN_VARIABLE]
        else:
            os.environ[TOKEN_VARIABLE] = before


def asked(port: int, token: str) -> list[Seen]:
    """Send every probe to a port, as a client of another address."""
    asking = Asking(urlsplit(f"http://127.0.0.1:{port}"), HOST, token, source=CLIENT)
    found: list[Seen] = []
    for probe in probes_of(POLICY, scheme="http", host=HOST):
        status, fields, content = asking.exchange(probe)
        said = fields.get(ARRIVED)
        arrived = None if said is None else tuple((n, v) for n, v in json.loads(said))
        found.append(Seen(probe, answered_of(status, content), arrived))
    return found


def section_of(gateway: Gateway, by_uvicorn: list[Seen], by_gunicorn: list[Seen]) -> str:
    """Return the section of one proxy."""
    lines = [f"## {gateway.name} {gateway.version()}", "", _row(*COLUMNS), _row(*["---"] * 5)]
    honest = by_uvicorn[0].arrived
    for seen, other in zip(by_uvicorn, by_gunicorn, strict=True):
        lines.append(
            _row(
                f"{seen.probe.id} {_code(seen.probe.title)}".strip(),
                _arrived(seen.arrived, honest if seen.probe.id else ()),
                _verdict(seen),
                _verdict(other),
                why(seen, honest),
            )
        )
    return "\n".join(lines) + "\n"


def why(seen: Seen, honest: Arrived) -> str:
    """Return what became of a spoof, from what arrived of it."""
    if not seen.probe.id:
        return "the twin of them all"
    if seen.arrived is None:
        return "the proxy refuses it"
    if seen.answered.origin is None:
        return f"the boundary refuses it: {seen.answered.code}"
    if not seen.probe.fields:
        return "the proxy takes one"
    new = [line for line in seen.arrived if line not in (honest or ())]
    name = seen.probe.fields[0][0].lower()
    if not new:
        return "the proxy drops or overwrites it"
    if name == "x-forwarded-for":
        return "the proxy appends, and the last entry counts"
    if seen.probe.part == "framing":
        return "the proxy settles it: one length arrives"
    return "no policy declares it: the boundary takes it out"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text}`" if ":" in text else text


def _arrived(arrived: Arrived, honest: Arrived) -> str:
    """Return the fields that arrive and that the honest request hasn't."""
    if arrived is None:
        return "nothing"
    new = sorted((line for line in arrived if line not in (honest or ())), key=lambda line: line[0])
    return "<br>".join(f"`{name}: {value}`" for name, value in new) or "as of the honest one"


def _verdict(seen: Seen) -> str:
    origin = seen.answered.origin
    if origin is not None:
        return f"{origin.client}, {origin.scheme}, {origin.host}"
    return f"{seen.answered.status} {seen.answered.code}".strip()


def measured(folder: Path) -> dict[str, str]:
    """Return a section for each proxy that is installed."""
    found: dict[str, str] = {}
    with checked() as token, served(folder) as ports:
        for gateway in GATEWAYS.values():
            if not gateway.version():
                sys.stderr.write(f"{gateway.name} isn't installed: its section stays as it is\n")
                continue
            own = folder / gateway.name
            own.mkdir()
            with gateway.before(ports, own) as fronts:
                found[gateway.name] = section_of(gateway, *(asked(each, token) for each in fronts))
    return found


def main() -> None:
    """Write the page."""
    before, mark, after = PAGE.read_text(encoding="utf-8").partition(MARK)
    sections = {found.group(1): found.group().rstrip() + "\n" for found in _section.finditer(after)}
    with tempfile.TemporaryDirectory() as folder:
        sections |= measured(Path(folder))
    servers = f"uvicorn {version_of('uvicorn')}, gunicorn {version_of('gunicorn')}."
    text = "\n".join(sections[name] for name in GATEWAYS if name in sections)
    PAGE.write_text(f"{before}{mark}\nServers: {servers}\n\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
