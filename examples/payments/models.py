"""The shop's own row: who may be upgraded, and whether they are."""

from django.db import models


class Subscription(models.Model):
    """A customer's plan."""

    customer = models.CharField(max_length=40, unique=True)
    state = models.CharField(max_length=20, default="pending")
    upgrades = models.IntegerField(default=0)

    def __str__(self) -> str:
        """Return whose it is and what it is."""
        return f"{self.customer}: {self.state}"
