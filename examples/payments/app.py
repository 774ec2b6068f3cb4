"""A payment webhook upgrades a subscription exactly once, on Django's own database."""

import os
from datetime import timedelta

import httpx
import msgspec
from django.urls import path

from pratique import LATER, Admitted, Later, Perimeter, Secret
from pratique.integrations.django import endpoint, store
from pratique.webhook import Event, Webhook, providers

from .models import Subscription

PRICE = 2900
"""Cents: the price of the plan, from our own state."""
NOT_FOUND = 404

perimeter = Perimeter(store=store(), deadline=timedelta(seconds=5))
payments = perimeter.declare(
    Webhook(
        "payments", providers.stripe(secrets=Secret.env("STRIPE_WEBHOOK_SECRET"), livemode=True)
    )
)


class Invoice(msgspec.Struct, frozen=True):
    """What the provider says of an invoice when it is asked, with bounds."""

    id: str
    customer: str
    status: str
    amount: int


def invoice_at_provider(event: Event) -> Invoice | Later | None:
    """Ask the provider's API: the event is a trigger, not a fact."""
    url = f"{os.environ['STRIPE_API']}/v1/invoices/{event.object_id}"
    answer = httpx.get(url, timeout=3, trust_env=False)
    if answer.status_code == NOT_FOUND:
        return None
    invoice = msgspec.json.decode(answer.raise_for_status().content, type=Invoice)
    if invoice.status == "open":
        return LATER
    return invoice if invoice.status == "paid" else None


def subscription_of(invoice: Invoice, using: str) -> Subscription | None:
    """Return whose invoice it is, by our own row; locked until the commit."""
    rows = Subscription.objects.using(using).select_for_update()
    return rows.filter(customer=invoice.customer).first()


def may_activate(invoice: Invoice, row: Subscription) -> bool:
    """Say whether our row may make that step now, for that price."""
    return row.state == "pending" and invoice.amount == PRICE


@payments.on(
    "invoice.paid",
    confirm=invoice_at_provider,
    once=lambda invoice: invoice.id,
    link=subscription_of,
    allow=may_activate,
)
def activate(paid: Admitted[Event, Invoice, Subscription], using: str) -> None:
    """Upgrade. It commits together with the mark that this invoice was used."""
    row = paid.linked
    row.state, row.upgrades = "active", row.upgrades + 1
    row.save(using=using)


urlpatterns = [path("webhooks/payment/", endpoint(payments))]
