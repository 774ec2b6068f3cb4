"""A boundary that hears nothing authentic any more is told once, and heard again it is watched anew."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from pratique import Refused
from pratique.core.event import Outcome
from pratique.core.refusal import BoundaryError
from pratique.events import Metrics, Watchdog
from pratique.events.watchdog import Silence
from tests.shop import NOW, Shop, claim, plain_sqlite3
from tests.sink import Kept

HOUR = timedelta(hours=1)


class Watched:
    """A shop that expects a delivery every six hours."""

    def __init__(self, folder: Path) -> None:
        self.sink, self.told = Kept(), list[Silence]()
        self.shop: Shop = plain_sqlite3(folder / "shop.db", events=self.sink)
        self.dog = self.shop.perimeter.attach(
            Watchdog({self.shop.payments: 6 * HOUR}, tell=self.told.append, every=None)
        )

    def at(self, hours: float) -> list[Silence]:
        """Return what is noticed after so many hours."""
        self.shop.clock[0] = NOW + hours * HOUR
        return self.dog.look()

    def send(self, event: str, *, secret: str | None = None, sent: float | None = None) -> str:
        """Send a delivery at the shop's own time; return the code of its refusal."""
        now = self.shop.clock[0]
        when = now if sent is None else NOW + sent * HOUR
        named = {} if secret is None else {"secret": secret}
        try:
            self.shop.perimeter.admit(
                self.shop.payments, claim(event, invoice=f"in_{event}", at=now, sent=when, **named)
            )
        except Refused as refused:
            return refused.code
        return ""

    @property
    def warned(self) -> list[str]:
        """Return the details of the records that warn."""
        return [each.detail for each in self.sink.records if each.outcome is Outcome.WARNED]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Give a shop that has started."""
    made = Watched(tmp_path)
    with made.shop.perimeter:
        yield made


def test_a_rotated_secret_is_told_once_with_how_many_were_refused(watched: Watched) -> None:
    """Deliveries go on to come, none opens: a record, a line of the log and a call, each once."""
    assert watched.send("1") == ""
    for hours in (1, 3, 5):
        assert watched.at(hours) == []
        assert watched.send(f"{hours}", secret="whsec_of_somebody_else_1") == "bad_signature"
    assert watched.at(6) == []
    (silence,) = watched.at(6.1)
    assert (silence.boundary, silence.since, silence.refused) == ("payments", NOW, 3)
    assert watched.at(9) == []
    assert watched.told == [silence]
    (said,) = watched.warned
    assert said == (
        'Boundary "payments" heard nothing authentic for 6:06:00; 3 were refused as not authentic: '
        "compare the secret with the sender's."
    )
    record = watched.sink.records[-1]
    assert (record.kind, record.obligation, record.code) == ("webhook", "authentic", "silent")


def test_who_is_heard_in_time_is_not_told_of(watched: Watched) -> None:
    """The twin: the same hours with one delivery of the sender's own; then silence counts from there."""
    watched.at(5)
    assert watched.send("1") == ""
    assert watched.at(11) == []
    (silence,) = watched.at(11.5)
    assert (silence.since, silence.refused) == (NOW + 5 * HOUR, 0)
    assert "nothing was refused either" in str(silence)


def test_what_is_heard_again_is_watched_anew(watched: Watched) -> None:
    """The mended secret ends a silence, and the next one is told too."""
    assert len(watched.at(7)) == 1
    watched.send("1")
    assert watched.at(12) == []
    assert len(watched.at(14)) == 1
    assert len(watched.warned) == 2


def test_a_captured_delivery_ends_no_silence(watched: Watched) -> None:
    """CWE-294: whoever sends an old one again can't let a dead endpoint look alive."""
    watched.send("1")
    watched.at(7)
    assert watched.send("2", sent=0) == "stale"
    assert watched.at(7.1) == []
    assert watched.told[0].since == NOW
    assert len(watched.told) == 1


def test_nobody_has_to_send_anything(watched: Watched) -> None:
    """Whoever reads the metrics looks too; a watch that nobody needs to ask has a thread."""
    watched.shop.clock[0] = NOW + 7 * HOUR
    Metrics(watched.shop.perimeter).read()
    assert len(watched.told) == 1


def test_the_thread_looks_by_itself_and_ends_with_the_perimeter(tmp_path: Path) -> None:
    """And what a callback raises ends no watch."""
    shop, told = plain_sqlite3(tmp_path / "shop.db", events=Kept()), Event()

    def tell(silence: Silence) -> None:
        told.set()
        raise ZeroDivisionError

    dog = shop.perimeter.attach(
        Watchdog({shop.payments: HOUR}, tell=tell, every=timedelta(milliseconds=1))
    )
    with shop.perimeter:
        thread = dog._ticker._thread
        assert thread is not None
        shop.clock[0] = NOW + 2 * HOUR
        assert told.wait(20)
        assert thread.is_alive()
    assert not thread.is_alive()


def test_a_watch_of_nothing_is_refused(tmp_path: Path) -> None:
    """Empty is not unset, and no time is none; the twin is made."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    for expects in ({}, {shop.payments: timedelta(0)}):
        with pytest.raises(BoundaryError, match="above zero"):
            Watchdog(expects)
    Watchdog({shop.payments: HOUR})
