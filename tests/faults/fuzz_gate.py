"""Fuzz `gate` against other people's readers of URLs.

    python -m tests.faults.fuzz_gate --seconds 300

Nothing but `Refused` leaves it, and every URL that it lets through leads, in its canonical form,
to the same place for each reader.
"""

import socket
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpx

from pratique.core.refusal import Refused
from pratique.fetch import PUBLIC, FetchPolicy, Target, gate
from tests.faults.figures import Figures, run_by_hand, some
from tests.faults.url_mill import urls
from tests.faults.url_readers import ClientRefusedError, Sent, curl_version, readers

ANY = FetchPolicy(hosts=PUBLIC, schemes={"http", "https"}, ports=frozenset(range(1, 65536)))


@dataclass
class GateFigures(Figures):
    """What a run found. `accepted` counts kinds of hosts."""

    unsent: Counter[str] = field(default_factory=Counter)
    """Readers that would send nothing to what is accepted."""
    unsent_examples: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what was counted, a sentence a line."""
        yield from super().lines()
        unsent = ", ".join(
            f"{name} {n} ({self.unsent_examples[name]!r})" for name, n in self.unsent.most_common()
        )
        yield f"accepted, and not sent at all by: {unsent or 'nobody'}"


def look(url: str, found: GateFigures, judge: Callable[[str, FetchPolicy], Target] = gate) -> None:
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
    found.accepted[_kind(target.host)] += 1
    for why in disagreements(target, found, judge):
        found.disagree(f"{url!r} as {target.url!r}: {why}")


def disagreements(
    target: Target, found: GateFigures, judge: Callable[[str, FetchPolicy], Target] = gate
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


def run(seed: int, *, seconds: float | None = None, count: int | None = None) -> GateFigures:
    """Try URLs for so many seconds, or so many URLs."""
    found = GateFigures()
    for url in some(urls(seed), count=count, seconds=seconds):
        look(url, found)
    return found


def main() -> int:
    """Run it by hand."""
    print(f"libcurl {curl_version()}")
    return run_by_hand(
        "tests.faults.fuzz_gate", __doc__, lambda seed, seconds: run(seed, seconds=seconds)
    )


if __name__ == "__main__":
    sys.exit(main())
