"""Every attack of the catalogue has a test that bears its id."""

from scripts.attack_manual import attacks, bearers


def test_every_attack_has_its_test() -> None:
    """An id that nobody tests is a hole that nobody sees; where there is none, it says why."""
    owed = {attack for attack, facts in attacks().items() if "untested" not in facts}
    assert sorted(owed - set(bearers())) == []


def test_no_test_bears_an_id_that_is_none() -> None:
    """A slip in a number would count for another attack."""
    assert sorted(set(bearers()) - set(attacks())) == []
