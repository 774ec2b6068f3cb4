"""Records about one address or subject can be joined by who has neither; what has few values has no mark."""

from typing import Any

import pytest

from pratique import Claim, Fields, Perimeter, Refused, Secret
from pratique.core.claim import Via
from pratique.core.event import encode_record
from pratique.core.fingerprint import DIGITS, Fingerprints
from pratique.core.peer import network_of
from pratique.core.refusal import BoundaryError
from pratique.service import Minter, Service, TransactionToken
from tests.service.orders import GATEWAY, TOKENS, Peer, token
from tests.sink import Kept
from tests.tokens import AT

KEY = "k3y-of-the-marks-7d20e9b41a"
BOTH = ("address", "subject")


def prints(key: str = KEY, fields: Any = BOTH) -> Fingerprints:
    """Return fingerprints whose key was read."""
    made = Fingerprints(key, fields=fields)
    assert made.debts() == []
    return made


def claim_of(peer: str) -> Claim:
    """Return a claim that somebody hands over."""
    return Claim(b"", Fields(), AT, Via(peer=peer))


def test_one_value_has_one_mark_and_no_other_has_it() -> None:
    """Joined within a key, and not across two; the field is a part of what is marked."""
    mine = prints()
    (first,) = mine.of_claim(claim_of("203.0.113.7"))
    assert mine.of_claim(claim_of("203.0.113.7")) == (first,)
    assert mine.of_claim(claim_of("203.0.113.8")) != (first,)
    assert prints("another-k3y-41b7e9a2c6d8").of_claim(claim_of("203.0.113.7")) != (first,)
    (subject,) = mine.of_subject("203.0.113.7")
    assert subject.partition(":")[2] != first.partition(":")[2]
    assert len(first) == len("address:") + DIGITS
    assert "203" not in first


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "20010db800000000::/64"),
        ("2001:db8::2%eth0", "20010db800000000::/64"),
        ("unix:", "unix:"),
    ],
)
def test_an_address_has_one_spelling(peer: str, network: str) -> None:
    """A client of IPv6 has its whole /64; nobody has two marks by two spellings."""
    assert network_of(peer) == network
    assert prints().of_claim(claim_of(peer)) == prints().of_claim(claim_of(network_of(peer)))


@pytest.mark.parametrize("subject", ["admin", 42, True, None, ("a" * 9,), ""])
def test_what_is_soon_guessed_has_no_mark(subject: object) -> None:
    """Short subjects, and what is neither text nor number; the twin has one."""
    assert prints().of_subject(subject) == ()
    assert len(prints().of_subject("user_8812")) == 1
    assert len(prints().of_subject(88_120_431)) == 1


def test_only_what_is_named_is_marked() -> None:
    """Address alone, subject alone; nobody's address has none."""
    assert prints(fields=["address"]).of_subject("user_8812") == ()
    assert prints(fields="subject").of_claim(claim_of("203.0.113.7")) == ()
    assert prints().of_claim(claim_of("")) == ()


@pytest.mark.parametrize("fields", [[], "", ["role"], ["address", "amount"]])
def test_a_field_of_few_values_is_refused(fields: Any) -> None:
    """A role would be told by how often it comes, whatever the key; empty is never unset."""
    with pytest.raises(BoundaryError, match="few values"):
        Fingerprints(KEY, fields=fields)


@pytest.mark.parametrize("key", ["", "short", Secret.env("NO_SUCH_KEY")])
def test_without_a_key_nothing_starts(key: Any) -> None:
    """The debt is told at the start; with a key it starts."""
    keyless, _ = service_of(Kept(), Fingerprints(key, fields=BOTH))
    with pytest.raises(BoundaryError, match="no key"):
        keyless.start()
    keyed, _ = service_of(Kept(), prints())
    with keyed:
        assert keyed.is_started


def service_of(kept: Kept, fingerprints: Fingerprints | None) -> tuple[Perimeter, Any]:
    """Return a perimeter with a service whose action everybody may do, and the action."""
    perimeter = Perimeter(events=kept, fingerprints=fingerprints, clock=lambda: AT, deadline=None)
    minter = Minter(
        issuer=TOKENS.name, keys=TOKENS.jwks(), scopes={"thing.read"}, subjects="customer:"
    )
    orders = perimeter.declare(
        Service(
            "orders",
            caller=Peer({GATEWAY: frozenset({"thing.read"})}),
            context=TransactionToken("shop.example", minters=[minter]),
            user=str,
            policy=lambda *_: True,
        )
    )
    return perimeter, orders.action("thing.read", find=lambda user, key: key, read_key=str)


def asked(perimeter: Perimeter, action: Any, subject: str) -> None:
    """Ask for a subject, by a token; "": without one."""
    (orders,) = perimeter.boundaries
    about = {"object": "1"}
    sent = token(subject=subject, scope=["thing.read"], at=AT, about=about) if subject else ""
    lines = [("Txn-Token", sent)] if subject else []
    claim = Claim(b"", Fields(lines), AT, Via(peer=GATEWAY))
    perimeter.carry_here(orders, claim, lambda crossing: action.flow(crossing, key="1"))


def test_records_of_one_subject_are_joined_by_their_marks() -> None:
    """CWE-532: each record has its marks, and neither address nor subject; without fingerprints it has none."""
    kept = Kept()
    perimeter, action = service_of(kept, prints())
    with perimeter:
        for subject in ("customer:10001", "customer:10001", "customer:10002"):
            asked(perimeter, action, subject)
        with pytest.raises(Refused):
            asked(perimeter, action, "")
    first, second, other, nobody = (record.marks for record in kept.records)
    assert first == second == (*nobody, first[1])
    assert (other[0], other[1] == first[1]) == (first[0], False)
    assert [mark.partition(":")[0] for mark in first] == ["address", "subject"]
    written = b"".join(map(encode_record, kept.records))
    assert GATEWAY.encode() not in written
    assert b"customer" not in written
    bare = Kept()
    perimeter, action = service_of(bare, None)
    with perimeter:
        asked(perimeter, action, "customer:10001")
    assert [record.marks for record in bare.records] == [()]
