"""The store's tables as Django knows them: to read, and for its tests to empty.

They are written by the statements that every SQL store shares, never through these models.
"""

from typing import ClassVar

from django.db import models


class Store(models.Model):
    """Which store it is, and the version of its tables."""

    identity: "models.TextField[str, str]" = models.TextField(primary_key=True)
    version: "models.IntegerField[int, int]" = models.IntegerField()

    class Meta:
        """The table."""

        db_table = "pratique_store"

    def __str__(self) -> str:
        """Name it."""
        return str(self.identity)


class Key(models.Model):
    """A key that was used or is held; beside the first of a crossing, its record as JSON."""

    key: "models.BinaryField[bytes, bytes]" = models.BinaryField(primary_key=True)
    state: "models.SmallIntegerField[int, int]" = models.SmallIntegerField()
    token: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    expires_ms: "models.BigIntegerField[int | None, int | None]" = models.BigIntegerField(null=True)
    fingerprint: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    result: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    crossing_id: "models.TextField[str, str]" = models.TextField()
    at_ms: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    record: "models.TextField[str | None, str | None]" = models.TextField(null=True)  # noqa: DJ001  no record is not an empty one

    class Meta:
        """The table, and the index by which a crossing is found."""

        db_table = "pratique_key"
        indexes: ClassVar = [
            models.Index(
                fields=["crossing_id"],
                name="pratique_key_event",
                condition=models.Q(record__isnull=False),
            )
        ]

    def __str__(self) -> str:
        """Name the crossing: a key is bytes."""
        return str(self.crossing_id)


class Inbox(models.Model):
    """A delivery that was taken in and is worked later: see `pratique.webhook.Inbox`."""

    id: "models.TextField[str, str]" = models.TextField(primary_key=True)
    boundary: "models.TextField[str, str]" = models.TextField()
    key: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    state: "models.SmallIntegerField[int, int]" = models.SmallIntegerField()
    token: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    attempts: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    due_ms: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    changed_ms: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    received_us: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    content: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    brought: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    code: "models.TextField[str, str]" = models.TextField()
    crossing_id: "models.TextField[str, str]" = models.TextField()
    last_id: "models.TextField[str, str]" = models.TextField()

    class Meta:
        """The table, and the indexes of what is due, done and laid aside."""

        db_table = "pratique_inbox"
        indexes: ClassVar = [
            models.Index(
                fields=["boundary", "due_ms"],
                name="pratique_inbox_due",
                condition=models.Q(state__in=[0, 1]),
            ),
            models.Index(
                fields=["boundary", "changed_ms"],
                name="pratique_inbox_done",
                condition=models.Q(state=2),
            ),
            models.Index(
                fields=["boundary", "state"],
                name="pratique_inbox_aside",
                condition=models.Q(state__in=[3, 4]),
            ),
        ]

    def __str__(self) -> str:
        """Name it."""
        return str(self.id)


class Refusal(models.Model):
    """A refusal that came after `authentic`, counted; with its content it is a dead letter."""

    pk = models.CompositePrimaryKey("boundary", "key", "code")
    boundary: "models.TextField[str, str]" = models.TextField()
    key: "models.BinaryField[bytes, bytes]" = models.BinaryField()
    code: "models.TextField[str, str]" = models.TextField()
    first_ms: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    last_ms: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    times: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    crossing_id: "models.TextField[str, str]" = models.TextField()
    record: "models.TextField[str, str]" = models.TextField()
    content: "models.BinaryField[bytes | None, bytes | None]" = models.BinaryField(null=True)

    class Meta:
        """The table, and the indexes by which a crossing and old contents are found."""

        db_table = "pratique_refusal"
        indexes: ClassVar = [
            models.Index(fields=["crossing_id"], name="pratique_refusal_crossing"),
            models.Index(
                fields=["last_ms"],
                name="pratique_refusal_content",
                condition=models.Q(content__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Name where, and why."""
        return f"{self.boundary}: {self.code}"
