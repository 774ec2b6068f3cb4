"""A server of two workers, as gunicorn --preload forks them: each counts, one answers the scrape.

Run it: `python -m tests.events.workers`, with PROMETHEUS_MULTIPROC_DIR. It prints what was scraped
while both worked, and after one has ended, as JSON.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

from prometheus_client import Counter
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.utils import floatToGoString

from pratique import Perimeter, Refused, Secret
from pratique.events.prometheus import Multiprocess
from pratique.stores.memory_store import MemoryStore
from pratique.webhook import Webhook, providers
from tests.shop import NOW, SECRET, claim

HOUR = timedelta(hours=1)
OWN = Counter("shop_visits", "A metric of the application's own.")


class Server:
    """What is imported before the fork: the perimeter has started, and one delivery was taken."""

    def __init__(self) -> None:
        self.now = NOW
        self.perimeter = Perimeter(MemoryStore(), clock=lambda: self.now, deadline=None)
        sender = providers.stripe(secrets=Secret(SECRET, name="main"))
        self.payments = self.perimeter.declare(Webhook("payments", sender))
        self.payments.on("invoice.paid", confirm=_said, once=str, link=str, allow=lambda *_: True)(
            _said
        )
        every = timedelta(milliseconds=20)
        self.figures = self.perimeter.attach(Multiprocess(self.perimeter, every=every))
        self.perimeter.start()

    def take(self, *events: str) -> None:
        """Take deliveries, and visit the shop."""
        for event in events:
            OWN.inc()
            with suppress(Refused):
                self.perimeter.admit(self.payments, claim(event, invoice=event, at=self.now))

    def scrape_until(self, *wanted: str) -> str:
        """Scrape until each is there: the other worker writes one after the other, on a thread."""
        text = ""
        while not all(each in text for each in wanted):
            text = self.figures.exposition().decode()
        return text


def _said(event: Any) -> str:
    return str(getattr(event, "object_id", ""))


def fork(work: Callable[[], None]) -> int:
    """Run a worker in a child, which ends as a server's does."""
    child = os.fork()
    if child == 0:
        work()
        _end()
    return child


def _end() -> NoReturn:
    sys.exit(0)  # runs what is registered for the end of a process


def main() -> None:
    """Be the server."""
    server = Server()
    server.take("evt_0")
    server.figures.publish()  # a file that is only just made can't be read
    (ends, end), (heard, tell), (made, is_made) = os.pipe(), os.pipe(), os.pipe()
    sys.stdout.flush()

    def first() -> None:
        for other in (end, heard, tell):
            os.close(other)
        server.now = NOW + HOUR
        server.take("evt_1")
        server.figures.publish()
        os.write(is_made, b"1")
        server.take("evt_2", "evt_2")  # its thread tells of these
        os.read(ends, 1)  # until the server closes its end
        server.take("evt_3")

    def second() -> None:
        for other in (end, heard):
            os.close(other)
        server.take("evt_4", "evt_5")
        os.read(made, 1)
        newest = floatToGoString((NOW + HOUR).timestamp())
        both = server.scrape_until(
            'obligation="unique",outcome="duplicate"} 1.0',
            f'pratique_last_authentic_timestamp_seconds{{boundary="payments"}} {newest}',
        )
        os.write(tell, json.dumps(both).encode())

    one = fork(first)
    os.close(ends)
    two = fork(second)
    os.close(tell)
    while part := os.read(heard, 1 << 16):
        sys.stdout.write(part.decode())
    print()
    os.close(end)
    for child in (one, two):
        assert os.waitpid(child, 0)[1] == 0
        mark_process_dead(child)
    print(json.dumps(server.figures.exposition().decode()))


if __name__ == "__main__":
    main()
