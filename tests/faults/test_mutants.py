"""Law 9: without a proof it doesn't start; with a no-op in its place an attack succeeds."""

from tests.faults.mutants import deleted, replaced


def test_a_boundary_without_any_one_proof_does_not_start() -> None:
    """Each proof in turn."""
    assert [row for row in deleted() if not row.is_noticed] == []


def test_a_no_op_in_the_place_of_a_proof_lets_an_attack_in() -> None:
    """Each proof in turn; with all of them in place no attack succeeds."""
    assert [row for row in replaced() if not row.is_noticed] == []
