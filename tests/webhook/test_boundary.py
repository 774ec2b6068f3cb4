"""The boundary: whose event it is, and what its report says of its own figures."""

from datetime import timedelta

import pytest

from pratique import Perimeter, Refused, Secret, stores
from pratique.core.obligation import FRESH
from pratique.webhook import Event, Webhook, providers
from tests.shop import NOW, claim

OWN = "whsec_ownSecretOfTenantB01"


def declared(
    secret: Secret, tolerance: timedelta | None = None
) -> tuple[Perimeter, Webhook, list[str]]:
    """Return a boundary whose `confirm` notes the account that it is told."""
    accounts: list[str] = []
    perimeter = Perimeter(store=stores.memory(), clock=lambda: NOW)
    sender = providers.stripe(secrets=secret, tolerance=tolerance)
    payments = perimeter.declare(Webhook("payments", sender))

    def confirm(event: Event) -> str:
        accounts.append(event.account)
        return event.object_id

    payments.on(
        "invoice.paid", confirm=confirm, once=lambda i: i, link=lambda i: i, allow=lambda i, r: True
    )(lambda paid: None)
    return perimeter, payments, accounts


def test_the_account_is_the_one_of_the_secret_that_matched() -> None:
    """WH-33: tenant B signs with its own secret and writes tenant A into the content; without an own one the content says it."""
    for secret, wanted in (
        (Secret(OWN, account="tenant_b"), "tenant_b"),
        (Secret(OWN), "tenant_a"),
    ):
        perimeter, payments, accounts = declared(secret)
        with perimeter:
            perimeter.admit(payments, claim(secret=OWN, account="tenant_a"))
        assert accounts == [wanted]


def test_the_report_names_the_tolerance_that_is_in_force() -> None:
    """The sender's own figure, or the declared one."""
    for tolerance, words in ((None, "300 s"), (timedelta(seconds=60), "60 s")):
        _, payments, _ = declared(Secret(OWN), tolerance)
        (declaration,) = payments.declarations()
        fresh = next(p for p in declaration.proofs if p.obligation is FRESH)
        assert fresh.method.endswith(words)


@pytest.mark.parametrize("kind", ["customer.created", "a\n\x1b[2Jb\u202e", "x" * 65])
def test_the_record_of_an_ignored_event_names_what_is_declared(kind: str) -> None:
    """Law 5: never what came (CWE-117); what is declared crosses."""
    perimeter, payments, accounts = declared(Secret(OWN))
    with perimeter:
        with pytest.raises(Refused) as refused:
            perimeter.admit(payments, claim(secret=OWN, kind=kind))
        record = perimeter.find(refused.value.crossing_id)
        assert record is not None
        assert (record.code, record.detail) == ("ignored", "no handler is declared for its type")
        assert record.hint.endswith("declared: invoice.paid")
        perimeter.admit(payments, claim("evt_2", secret=OWN))
    assert len(accounts) == 1
