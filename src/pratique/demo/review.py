"""What a boundary's declarations say: the ten questions, and whose fall means what."""

from pratique.core.boundary import Boundary
from pratique.core.checklist import blast_radius, ten_questions
from pratique.core.roots import Goal, minimal_sets


def print_questions(boundary: Boundary) -> None:
    """Print the ten questions with their answers."""
    print(f'\nThe ten questions, answered from the declarations of the boundary "{boundary.name}"')
    for answered in ten_questions(boundary):
        print(f"{answered.number:>2}. {answered.question} [{answered.status}]\n    {answered.text}")


def print_blast_radius(boundary: Boundary) -> None:
    """Print what the owner of each root can do alone."""
    print(
        f'\nBlast radius of "{boundary.name}": what the owner of each root, with honest claims and '
        "an account, can do"
    )
    for root, can in blast_radius(boundary):
        print(f"    {root:<44}{can}")


def sets_to_invent(boundary: Boundary) -> str:
    """Return the smallest sets of roots whose owner invents a claim, for the first declaration."""
    declaration = boundary.declarations()[0]
    return "; ".join(
        " + ".join(sorted(map(str, way))) for way in minimal_sets(declaration, Goal.INVENT)
    )
