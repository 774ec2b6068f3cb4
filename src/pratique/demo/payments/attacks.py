"""Honest deliveries and attacks as data: what is sent, how many upgrades are sound afterwards."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import database
from .target import Target, body, signed

WRONG = "whsec_an0therEndpointsSecret"


@dataclass(frozen=True)
class Attack:
    """One row of the table.

    Args:
        id: Of the attack in docs/explanation/attacks, "H" for an honest one.
        title: What is sent.
        send: Sends it for subscription *n*.
        sound: How many upgrades a sound API shows afterwards.
    """

    id: str
    title: str
    send: Callable[[Target, int], None]
    sound: int = 0

    @property
    def is_honest(self) -> bool:
        """Say whether it must go through."""
        return self.id.startswith("H")


def _plain(**changes: Any) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        t.send(signed(body(n, **changes), t.secret))

    return send


def _without_signature(value: str | None) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        content, _ = signed(body(n), t.secret)
        fields = {} if value is None else {"stripe-signature": value, "x-signature": value}
        t.send((content, fields))

    return send


def _secret(*secrets: str) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        t.send(*(signed(body(n), secret) for secret in secrets))

    return send


def _changed(change: Callable[[bytes], bytes], **fields: str) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        content, signature = signed(body(n), t.secret)
        t.send((change(content), {**signature, **fields}))

    return send


def _header(change: Callable[[str], str]) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        content, fields = signed(body(n), WRONG)
        true = signed(body(n), t.secret)[1]["Stripe-Signature"]
        t.send((content, {**fields, "Stripe-Signature": change(true)}))

    return send


def _aged(seconds: float) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n)
        t.send(signed(body(n), t.secret, ago=seconds))

    return send


def _source(**changes: Any) -> Callable[[Target, int], None]:
    def send(t: Target, n: int) -> None:
        t.invoice(n, **changes)
        t.send(signed(body(n), t.secret))

    return send


def _unknown(t: Target, n: int) -> None:
    t.send(signed(body(n), t.secret))


def _replayed(t: Target, n: int) -> None:
    t.invoice(n)
    delivery = signed(body(n), t.secret)
    t.send(delivery, delivery, delivery)


def _at_once(t: Target, n: int) -> None:
    t.invoice(n)
    delivery = signed(body(n), t.secret)
    for _ in range(3):
        t.send_at_once([delivery] * 8)


def _other_id(t: Target, n: int) -> None:
    t.invoice(n)
    t.send(*(signed(body(n, event=f"evt_{n}_{k}"), t.secret) for k in range(3)))


def _no_id(t: Target, n: int) -> None:
    t.invoice(n)
    for strange in (17, None, "x" * 10_000, f"../{n}"):
        t.send(signed(body(n, id=strange), t.secret))


def _crash(t: Target, n: int) -> None:
    t.invoice(n)
    t.crash_once(n)
    delivery = signed(body(n), t.secret)
    t.send(delivery, delivery)


def _store_down(t: Target, n: int) -> None:
    t.invoice(n)
    delivery = signed(body(n), t.secret)
    lock = database.connect(str(t.path))
    lock.execute("BEGIN IMMEDIATE")
    t.send(delivery)
    lock.execute("ROLLBACK")
    lock.close()
    t.send(delivery)


def _other_owner(t: Target, n: int) -> None:
    # The attacker pays an invoice of his own, and its metadata, which he set, names the victim's.
    t.invoice(n, customer="cus_of_the_attacker")
    t.send(signed(body(n), t.secret))


def _cancelled(t: Target, n: int) -> None:
    t.invoice(n)
    database.cancel(t.path, n)
    t.send(signed(body(n), t.secret))


def _two_ids_at_once(t: Target, n: int) -> None:
    t.invoice(n)
    t.send_at_once(signed(body(n, event=f"evt_{n}_{k}"), t.secret) for k in range(8))


def _gzipped(t: Target, n: int) -> None:
    t.invoice(n)
    content, fields = signed(body(n), t.secret)
    t.send((gzip.compress(content), {**fields, "content-encoding": "gzip"}))
    t.send((b"\xef\xbb\xbf" + content, fields))


def _huge(t: Target, n: int) -> None:
    t.invoice(n)
    content = json.dumps(body(n)).encode()
    t.send((content[:-1] + b', "pad": "' + b"x" * (50 << 20) + b'"}', {}))


def _right_at_last(t: Target, n: int) -> None:
    t.invoice(n)
    content, fields = signed(body(n), t.secret)
    time, _, right = fields["Stripe-Signature"].partition(",")
    wrong = (",v1=" + "0" * 64) * 999
    t.send((content, {"Stripe-Signature": f"{time}{wrong},{right}", "x-signature": "0" * 64}))


def _variant_ids(t: Target, n: int) -> None:
    t.invoice(n)
    for name in (f"evt_{n}", None, n, f"EVT_{n}", f"evt_{n} ", "e" * 10_240):
        t.send(signed(body(n, id=name), t.secret))


def _cancelled_later(t: Target, n: int) -> None:
    t.invoice(n)
    t.send(signed(body(n), t.secret))
    database.cancel(t.path, n)
    t.send(signed(body(n, event=f"evt_{n}_again"), t.secret))


def _signed_again(t: Target, n: int) -> None:
    t.invoice(n)
    t.send(*(signed(body(n), t.secret, ago=ago) for ago in (5, 0, -5)))


def _burnt(t: Target, n: int) -> None:
    t.invoice(n)
    content, fields = signed(body(n), t.secret)
    t.send((content, {}), (content, fields))


def _type_field(t: Target, n: int) -> None:
    t.invoice(n)
    content, fields = signed(body(n, type="invoice.created"), t.secret)
    t.send((content, {**fields, "x-event-type": "invoice.paid"}))


def _late(t: Target, n: int) -> None:
    t.invoice(n, status="open")
    delivery = signed(body(n), t.secret)
    t.send(delivery)
    t.invoice(n)
    t.send(delivery)


def _later(header: str) -> str:
    time, _, rest = header.removeprefix("t=").partition(",")
    return f"t={int(time) + 1},{rest}"


def _reserialised(content: bytes) -> bytes:
    return json.dumps(json.loads(content), indent=1, sort_keys=True).encode()


def _duplicate_key(t: Target, n: int) -> None:
    t.invoice(n)
    twice = json.dumps(body(n)).replace("{", '{"type": "invoice.paid", ', 1)
    t.send(
        signed(
            twice.replace('"invoice.paid", "livemode"', '"invoice.voided", "livemode"').encode(),
            t.secret,
        )
    )


ATTACKS = (
    Attack("H-1", "an honest delivery", _plain(), 1),
    Attack("H-2", "an honest delivery, sent again by the provider", _replayed, 1),
    Attack("H-3", "honest, and not paid yet at the first try", _late, 1),
    Attack("WH-01", "signature left out", _without_signature(None)),
    Attack("WH-02", "signature empty", _without_signature("")),
    Attack("WH-03", "signed with a wrong secret", _secret(WRONG)),
    Attack(
        "WH-04",
        "one byte changed after signing",
        _changed(lambda c: c.replace(b"evt_", b"evu_")),
    ),
    Attack("WH-05", "re-serialised, old signature", _changed(_reserialised)),
    Attack("WH-06", "duplicate key, signed: paid and voided", _duplicate_key),
    Attack(
        "WH-07",
        'signed with "", "None", "undefined", "changeme"',
        _secret("", "None", "undefined", "changeme"),
    ),
    Attack("WH-08", "legacy scheme alone (v0, sha1)", _header(lambda h: h.replace("v1=", "v0="))),
    Attack(
        "WH-09",
        "400 candidate signatures",
        _header(lambda h: h.split(",")[0] + ",v1=" + "0" * 64 + (",v1=" + "1" * 64) * 398),
    ),
    Attack("WH-09", "1,000 signatures, the last one right", _right_at_last),
    Attack("WH-10", "an hour old, correctly signed", _aged(3600)),
    Attack("WH-11", "an hour ahead, correctly signed", _aged(-3600)),
    Attack("WH-12", "a new time over an old signature", _header(_later)),
    Attack(
        "WH-13", "time missing, negative, 1e400", _header(lambda h: "t=-1e400," + h.split(",")[1])
    ),
    Attack("WH-14", "an accepted delivery replayed", _replayed, 1),
    Attack("WH-15", "8 at once, 3 rounds", _at_once, 1),
    Attack("WH-16", "the same invoice under three event ids", _other_id, 1),
    Attack("WH-17", "event id a number, null, 10 kB, a path", _no_id),
    Attack("WH-17", "the same id: null, a number, other case, a space", _variant_ids, 1),
    Attack("WH-18", "a crash after the update, then sent again", _crash, 1),
    Attack("WH-19", "the database is locked, then sent again", _store_down, 1),
    Attack("WH-20", "an invoice that the provider doesn't know", _unknown),
    Attack("WH-21", "the event says paid, the provider says void", _source(status="void")),
    Attack("WH-22", "the attacker's invoice, the victim in its metadata", _other_owner),
    Attack("WH-23", "an invoice over one cent", _source(amount=1)),
    Attack("WH-23", "an invoice in another currency", _source(currency="jpy")),
    Attack("WH-24", "paid, cancelled, then a late second event", _cancelled_later, 1),
    Attack("WH-24", "late, for a subscription that was cancelled", _cancelled),
    Attack("WH-25", "a test-mode event at the live endpoint", _plain(livemode=False)),
    Attack("WH-25", "a live event about a test-mode invoice", _source(livemode=False)),
    Attack("WH-26", "an event type that nobody declared", _plain(type="invoice.created")),
    Attack("WH-27", "gzip, then a BOM, over the plain signature", _gzipped),
    Attack("WH-28", "50 MB, unsigned", _huge),
    Attack("WH-30", "signed again with a new time, twice", _signed_again, 1),
    Attack("WH-31", "a stranger sends it unsigned first", _burnt, 1),
    Attack("WH-32", "an unsigned field names another type", _type_field),
    Attack("WH-33", "another account's event names our invoice", _plain(account="acct_other")),
    Attack("WH-35", "8 event ids for one row at once", _two_ids_at_once, 1),
)
LEFT_OUT = {
    "WH-29": "the compare function is recorded in process: over loopback a clock proves nothing",
    "WH-34": "leases are for effects outside a transaction; this effect is inside one",
    "WH-36": "a handler that commits by itself is our own mistake, planted in process",
    "WH-37": "retention and a renamed boundary need a restart between two deliveries",
}
"""Attacks of the catalogue that this table doesn't send, each with why."""
