"""The reference of the senders names each of them, and what it says follows from the declaration."""

from pratique.webhook import providers
from scripts.senders import senders


def test_every_sender_has_a_row_and_a_heading() -> None:
    """One file makes both: a new sender needs no line here."""
    page = senders()
    for name in providers.names():
        scheme = providers.get(name)
        assert f"\n## {name}\n" in page
        assert f"| [{name}](#{name}) |" in page
        assert scheme.documentation in page


def test_what_a_sender_does_not_prove_stands_there() -> None:
    """GitHub signs no time and no type; Stripe's is signed; Square's URL is owed."""
    page = senders()
    github = page.partition("\n## github\n")[2].partition("\n## ")[0]
    stripe = page.partition("\n## stripe\n")[2].partition("\n## ")[0]
    square = page.partition("\n## square\n")[2].partition("\n## ")[0]
    assert "No time is signed." in github
    assert "`X-GitHub-Event`" in github
    assert "at most 300 s" in stripe
    assert "The type" not in stripe
    assert "`url=` is owed" in square
    assert "`url=` is owed" not in stripe
