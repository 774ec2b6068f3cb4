"""Sends each delivery to examples/payments as Django's own client does, in a process of its own.

Django is configured once a process, so that the test hands the deliveries in and reads what came.
"""

import json
import sys

import django
from django.core.management import call_command
from django.test import Client


def main() -> None:
    """Read deliveries from standard input; write statuses and rows."""
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    from examples.payments.models import Subscription

    for customer in ("cus_ann", "cus_bob"):
        Subscription.objects.create(customer=customer)
    statuses: list[int] = []
    for content, fields in json.load(sys.stdin):
        kind = fields.pop("Content-Type", "application/json")
        sender = Client(headers=fields, raise_request_exception=False)
        statuses.append(sender.post("/webhooks/payment/", content, content_type=kind).status_code)
    rows = {row.customer: [row.state, row.upgrades] for row in Subscription.objects.all()}
    json.dump({"statuses": statuses, "rows": rows}, sys.stdout)


if __name__ == "__main__":
    main()
