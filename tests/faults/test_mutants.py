"""Law 9: without a proof it doesn't start; with a no-op in its place an attack succeeds."""

from types import ModuleType

import pytest

from tests.faults import access_mutants, fetch_mutants, mutants, partner_mutants

every_room = pytest.mark.parametrize(
    "room",
    [mutants, fetch_mutants, partner_mutants, access_mutants],
    ids=["webhook", "fetch", "partner", "access"],
)


@every_room
def test_a_boundary_without_any_one_proof_does_not_start(room: ModuleType) -> None:
    """Each proof in turn."""
    assert [row for row in room.deleted() if not row.is_noticed] == []


@every_room
def test_a_no_op_in_the_place_of_a_proof_lets_an_attack_in(room: ModuleType) -> None:
    """Each proof in turn; with all of them in place no attack succeeds."""
    assert [row for row in room.replaced() if not row.is_noticed] == []
