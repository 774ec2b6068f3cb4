"""Its tables."""

from uuid import uuid4

from django.conf import settings
from django.db import models


class Order(models.Model):
    """What a customer ordered."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    note = models.CharField(max_length=100, default="")
    price = models.IntegerField(default=2900)
    state = models.CharField(max_length=20, default="open")

    def __str__(self) -> str:
        return f"order {self.pk}"


class Parcel(models.Model):
    """What is sent."""

    key = models.UUIDField(primary_key=True, default=uuid4)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    def __str__(self) -> str:
        return f"parcel {self.key}"


class Reading(models.Model):
    """What has a key of another kind."""

    key = models.FloatField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    def __str__(self) -> str:
        return f"reading {self.key}"
