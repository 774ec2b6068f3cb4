"""`open()` of every sender against a floor and against the sender's own library, at 1 KiB.

The floor is what no check can leave out: one HMAC-SHA256 of the content, and its JSON decoded, by
`hmac.digest` and msgspec. Whoever signs otherwise has it beside him too. Run it:
`python -m benchmarks.opening_by_sender`; docs/reference/opening.md holds its table.
"""

import hmac
import json
import platform
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from benchmarks.sender_sdks import Delivery, library_of
from benchmarks.timing import least
from pratique.webhook import providers
from tests.faults.delivery_parties import Party, party

SIZE = 1024
ROUND = 0.002
"""Seconds that a round of each lasts, about."""
ROUNDS = 20
_KEY = b"k" * 32


class Opening(NamedTuple):
    """Microseconds a call."""

    name: str
    floor: float
    ours: float
    library: str
    reads: bool
    """The library reads the event too, and doesn't only verify."""
    theirs: float | None


def content_of(sender: Party, at: datetime) -> bytes:
    """Return an honest content of the sender, of about 1 KiB; Mollie's says an id and no more."""
    content = sender.content(at)
    missing = SIZE - len(content) - 20
    if sender.name == "mollie":
        return content
    if sender.name == "twilio":
        return content + b"&Body=" + b"a" * missing
    if sender.name == "braintree":
        more = b"<a>" + b"a" * (missing * 3 // 4 - 120) + b"</a>"
        check = b"<kind>check</kind><subject><check>true</check></subject>"
        head = content[: content.index(b"<kind>")]
        return head + check + more + b"</notification>"
    told = json.loads(content)
    place = told[0] if isinstance(told, list) else told
    place["Subject" if sender.name == "aws-sns" else "x"] = "a" * missing
    return _with_what_its_library_reads(sender.name, told)


def _with_what_its_library_reads(name: str, told: object) -> bytes:
    if isinstance(told, dict):
        if name == "coinbase-commerce":
            told["event"]["data"] = {}
        elif name == "gocardless":
            told["events"][0]["links"], told["meta"] = {}, {"webhook_id": "WB1"}
        elif name == "stripe":
            told["object"] = "event"
    return json.dumps(told).encode()


def _floor(content: bytes, signature: str, decode: Callable[[bytes], object]) -> object:
    if not hmac.compare_digest(hmac.digest(_KEY, content, "sha256").hex(), signature):
        raise ValueError
    return decode(content)


def _loops(call: Callable[[], object]) -> int:
    call()
    begin = time.perf_counter()
    call()
    return max(1, min(2000, int(ROUND / max(time.perf_counter() - begin, 1e-7))))


def measure(name: str) -> Opening:
    """Measure one sender; interleaved, so that what else runs troubles all alike."""
    sender = party(name)
    at = datetime.fromtimestamp(int(time.time()), UTC)
    claim = sender.seal(content_of(sender, at), at, 0)
    secrets, pins, url = list(sender.secrets), dict(sender.pins), sender.url
    ours = partial(sender.scheme.open, claim, secrets=secrets, url=url, **pins)
    if sender.scheme.source == "literal" and secrets:
        # As a boundary does: compiled once, and then asked for every delivery.
        ours = partial(sender.scheme(secrets=secrets, url=url, **pins).opener(name), claim)
    ours()
    calls: dict[str, Callable[[], object]] = {"ours": ours}
    decode = msgspec.json.Decoder().decode if claim.content[:1] in b"{[" else _as_it_is
    signature = hmac.digest(_KEY, claim.content, "sha256").hex()
    calls["floor"] = partial(_floor, claim.content, signature, decode)
    library = library_of(name)
    title, reads = "", False
    if library is not None:
        title, reads, made = library
        calls["theirs"] = made(Delivery(claim, secrets[0] if secrets else "", url))
        if calls["theirs"]() is False:
            message = f"{title} refuses what it is measured with"
            raise RuntimeError(message)
    found = least(calls, loops={each: _loops(call) for each, call in calls.items()}, rounds=ROUNDS)
    return Opening(name, found["floor"], found["ours"], title, reads, found.get("theirs"))


def _as_it_is(content: bytes) -> bytes:
    return content


def lines(openings: list[Opening]) -> list[str]:
    """Return the table."""
    told = [
        "| Sender | Floor | `open()` | × floor | Its library | Reads too | Library | × `open()` |",
        "| --- | ---: | ---: | ---: | --- | --- | ---: | ---: |",
    ]
    for each in openings:
        row = f"| {each.name} | {each.floor:.1f} | {each.ours:.1f} | {each.ours / each.floor:.1f} |"
        if each.theirs is None:
            told.append(f"{row} | | | |")
            continue
        ratio, reads = each.theirs / each.ours, "yes" if each.reads else ""
        told.append(f"{row} {each.library} | {reads} | {each.theirs:.1f} | {ratio:.1f} |")
    return told


def main() -> None:
    """Print the table."""
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the senders' libraries
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    openings = [measure(name) for name in providers.names()]
    print(f"{platform.python_implementation()} {platform.python_version()}, µs a call")
    print(*lines(openings), sep="\n")


if __name__ == "__main__":
    main()
