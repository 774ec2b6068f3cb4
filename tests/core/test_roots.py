"""Which roots suffice for which goal."""

from dataclasses import replace
from pathlib import Path

from pratique import unsafe
from pratique.core.obligation import AUTHENTIC
from pratique.core.roots import Goal, RootKind, independent, minimal_sets, thief_can
from tests.shop import NOW, plain_sqlite3


def test_the_party_alone_invents_and_the_secret_needs_another(tmp_path: Path) -> None:
    """An HMAC secret is known to its party; the secret's thief must own the source's name too."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    shop.perimeter.debts()
    declared = shop.payments.declarations()[0]
    sets = minimal_sets(declared, Goal.INVENT)
    assert [str(r) for r in sets[0]] == ["party:stripe"]
    assert independent(declared) == 1
    secret = next(r for p in declared.proofs for r in p.roots if r.kind is RootKind.SECRET)
    assert Goal.INVENT not in thief_can(declared, secret)
    assert any(
        {r.kind for r in way} == {RootKind.SECRET, RootKind.DNS, RootKind.CA} for way in sets
    )


def test_a_waived_proof_contributes_nothing(tmp_path: Path) -> None:
    """Without `authentic` the source alone decides."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    shop.perimeter.debts()
    declared = shop.payments.declarations()[0]
    waiver = unsafe.waive(AUTHENTIC, reason="r", owner="o", until=NOW.date(), bound="1")
    waived = replace(declared, waivers=(waiver,))
    assert all(
        RootKind.SECRET not in {r.kind for r in w} for w in minimal_sets(waived, Goal.INVENT)
    )
    assert waiver.debts(NOW.date()) != []
    assert waiver.holds(NOW) is False


def test_two_independent_roots_refuse_one_party(tmp_path: Path) -> None:
    """The party owns its secret and its source: one controller."""
    shop = plain_sqlite3(tmp_path / "shop.db")
    assert shop.perimeter.debts() == []
    shop.payments.independent_roots = 2
    assert any("independent_roots=2" in debt for debt in shop.perimeter.debts())
