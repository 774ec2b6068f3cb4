"""The same endpoint, believing the event (the guide, section 5): never to be copied."""

import json

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from .models import Subscription


@csrf_exempt
def payment(request: HttpRequest) -> JsonResponse:
    """Upgrade whom the event names, each time that one comes."""
    event = json.loads(request.body)
    if event["type"] == "invoice.paid":
        row = Subscription.objects.get(customer=event["data"]["object"]["customer"])
        row.state, row.upgrades = "active", row.upgrades + 1
        row.save()
    return JsonResponse({"ok": True})


urlpatterns = [path("webhooks/payment/", payment)]
