"""Fuzz `gate` against other people's readers of URLs.

    python -m tests.faults.fuzz_gate --seconds 300

Nothing but `Refused` leaves it, and every URL that it lets through leads, in its canonical form,
to the same place for each reader.
"""

import argparse
import secrets
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from itertools import islice

import httpx

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy, Target, gate
from tests.faults.url_mill import urls
from tests.faults.url_readers import ClientRefusedError, Sent, curl_version, readers

ANY = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, ports=frozenset(range(1, 65536)))
KEPT = 50
"""Disagreements that are told in full; the rest is counted."""


@dataclass
class Figures:
    """What a run found."""

    tried: int = 0
    accepted: int = 0
    hosts: Counter[str] = field(default_factory=Counter)
    """Kinds of hosts that were accepted."""
    refused: Counter[str] = field(default_factory=Counter)
    unsent: Counter[str] = field(default_factory=Counter)
    """Readers that would send nothing to what is accepted."""
    unsent_examples: dict[str, str] = field(default_factory=dict)
    wrong: int = 0
    told: list[str] = field(default_factory=list)

    def disagree(self, what: str) -> None:
        """Count a disagreement, and tell the first ones."""
        self.wrong += 1
        if len(self.told) < KEPT:
            self.told.append(what)

    def __str__(self) -> str:
        """Say it in lines."""
        codes = ", ".join(f"{code} {n}" for code, n in self.refused.most_common())
        hosts = ", ".join(f"{kind} {n}" for kind, n in self.hosts.most_common())
        unsent = ", ".join(
            f"{name} {n} ({self.unsent_examples[name]!r})" for name, n in self.unsent.most_common()
        )
        return (
            f"{self.tried} URLs tried, {self.accepted} accepted, {self.wrong} disagreements\n"
            f"accepted hosts: {hosts}\n"
            f"refused: {codes}\n"
            f"accepted, and not sent at all by: {unsent or 'nobody'}\n"
        ) + "".join(f"  {what}\n" for what in self.told)


def look(url: str, found: Figures, judge: Callable[[str, FetchPolicy], Target] = gate) -> None:
    """Ask `gate`, and then everybody else."""
    found.tried += 1
    try:
        target = judge(url, ANY)
    except Refused as refused:
        found.refused[refused.code] += 1
        return
    except Exception:  # that is what is looked for
        found.disagree(f"{url!r}: {traceback.format_exc(limit=-2)}")
        return
    found.accepted += 1
    found.hosts[_kind(target.host)] += 1
    for why in disagreements(target, found, judge):
        found.disagree(f"{url!r} as {target.url!r}: {why}")


def disagreements(
    target: Target, found: Figures, judge: Callable[[str, FetchPolicy], Target] = gate
) -> Iterable[str]:
    """Yield one sentence for each reader who goes elsewhere."""
    ours = Sent(target.scheme, target.host, target.port, target.path_and_query)
    for name, reader in readers():
        try:
            theirs = reader(target.url)
        except ClientRefusedError:
            found.unsent[name] += 1
            found.unsent_examples.setdefault(name, target.url)
            continue
        except Exception as error:  # a reader must not crash on what we send either
            yield f"{name} raises {error!r}"
            continue
        if theirs != ours:
            yield f"{name} reads {theirs}"
    try:
        again = judge(target.url, ANY)
    except Refused as refused:
        yield f"gate itself refuses it: {refused}"
    else:
        if again != target:
            yield f"gate itself reads {again}"
    netloc = httpx.URL(target.url).netloc.decode()
    if netloc != target.authority:
        yield f"httpx sends Host: {netloc}"
    if not target.url.isascii() or not target.url.isprintable():
        yield "it isn't printable ASCII"
    yield from _as_an_address(target.host)


def _kind(host: str) -> str:
    if ":" in host:
        return "IPv6"
    if host.replace(".", "").isdigit():
        return "IPv4"
    return "IDN" if "xn--" in host else "name"


def _as_an_address(host: str) -> Iterable[str]:
    """What is no address for `ipaddress` mustn't be one for the resolver of the C library."""
    try:
        if str(ip_address(host)) != host:
            yield f"ipaddress writes it as {ip_address(host)}"
    except ValueError:
        try:
            yield f"inet_aton reads {socket.inet_ntoa(socket.inet_aton(host))}"
        except OSError:
            return


def run(seed: int, *, seconds: float | None = None, count: int | None = None) -> Figures:
    """Try URLs for so many seconds, or so many URLs."""
    found, ends_at = Figures(), time.monotonic() + (seconds or float("inf"))
    for url in islice(urls(seed), count):
        if time.monotonic() >= ends_at:
            break
        look(url, found)
    return found


def main() -> int:
    """Run it by hand. Return 1 where anybody disagrees."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.fuzz_gate", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}, libcurl {curl_version()}", flush=True)
    found = run(given.seed, seconds=given.seconds)
    print(found, end="")
    return 1 if found.wrong or not found.accepted else 0


if __name__ == "__main__":
    sys.exit(main())
