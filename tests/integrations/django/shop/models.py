"""Its tables."""

from django.db import models


class Subscription(models.Model):
    """One subscription; `upgrades` counts effects."""

    customer = models.TextField()
    state = models.TextField(default="pending")
    upgrades = models.IntegerField(default=0)
    amount = models.IntegerField(default=0)

    class Meta:
        """The table that each shop of the tests has."""

        db_table = "subscription"

    def __str__(self) -> str:
        return self.customer


class Note(models.Model):
    """Something that must belong to a subscription."""

    about = models.ForeignKey(Subscription, models.CASCADE)

    def __str__(self) -> str:
        return f"note {self.pk}"
