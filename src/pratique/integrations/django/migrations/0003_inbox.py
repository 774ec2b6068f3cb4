"""Version 3 of the tables, the inbox: whoever made those before, they are upgraded in place."""

from importlib import import_module
from typing import Any, ClassVar, Final

from django.db import migrations, models

_first: Final[Any] = import_module("pratique.integrations.django.migrations.0001_initial")


class Migration(migrations.Migration):
    """What version 3 adds, by the store's own statements; the models in Django's state alone.

    Backwards it changes nothing: what a version adds is optional.
    """

    dependencies: ClassVar = [("pratique", "0002_version_2")]
    operations: ClassVar = [
        migrations.RunPython(_first.make_tables, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Inbox",
                    fields=[
                        ("id", models.TextField(primary_key=True, serialize=False)),
                        ("boundary", models.TextField()),
                        ("key", models.BinaryField()),
                        ("state", models.SmallIntegerField()),
                        ("token", models.BigIntegerField()),
                        ("attempts", models.BigIntegerField()),
                        ("due_ms", models.BigIntegerField()),
                        ("changed_ms", models.BigIntegerField()),
                        ("received_us", models.BigIntegerField()),
                        ("content", models.BinaryField()),
                        ("brought", models.BinaryField()),
                        ("code", models.TextField()),
                        ("crossing_id", models.TextField()),
                        ("last_id", models.TextField()),
                    ],
                    options={
                        "db_table": "pratique_inbox",
                        "indexes": [
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
                        ],
                    },
                ),
            ],
        ),
    ]
