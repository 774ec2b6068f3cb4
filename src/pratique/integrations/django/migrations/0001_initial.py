"""Make the tables as every SQL store has them: a SQLAlchemy process may share them."""

from typing import Any, ClassVar
from uuid import uuid4

from django.db import migrations, models

from pratique.integrations.django.transaction import run
from pratique.stores import schema, statements


def make_tables(_apps: Any, schema_editor: Any) -> None:
    """Make what is absent, or upgrade it, whoever made the rest."""
    connection = schema_editor.connection
    dialect = statements.DIALECTS.get(connection.vendor)
    if dialect is not None:  # another database may migrate, and is refused at the store's start
        run(connection, schema.make_tables(dialect, uuid4().hex))


def drop_tables(_apps: Any, schema_editor: Any) -> None:
    """Drop them, and with them what was handled."""
    for name in schema.TABLE_NAMES:
        schema_editor.execute(f"DROP TABLE IF EXISTS {name}")


class Migration(migrations.Migration):
    """The tables by their own statements; the models in Django's state alone."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.RunPython(make_tables, drop_tables),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Store",
                    fields=[
                        ("identity", models.TextField(primary_key=True, serialize=False)),
                        ("version", models.IntegerField()),
                    ],
                    options={"db_table": "pratique_store"},
                ),
                migrations.CreateModel(
                    name="Key",
                    fields=[
                        ("key", models.BinaryField(primary_key=True, serialize=False)),
                        ("state", models.SmallIntegerField()),
                        ("token", models.BigIntegerField()),
                        ("expires_ms", models.BigIntegerField(null=True)),
                        ("fingerprint", models.BinaryField()),
                        ("result", models.BinaryField()),
                        ("crossing_id", models.TextField()),
                        ("at_ms", models.BigIntegerField()),
                        ("record", models.TextField(null=True)),
                    ],
                    options={
                        "db_table": "pratique_key",
                        "indexes": [
                            models.Index(
                                fields=["crossing_id"],
                                name="pratique_key_event",
                                condition=models.Q(record__isnull=False),
                            )
                        ],
                    },
                ),
                migrations.CreateModel(
                    name="Refusal",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "boundary",
                                "key",
                                "code",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("boundary", models.TextField()),
                        ("key", models.BinaryField()),
                        ("code", models.TextField()),
                        ("first_ms", models.BigIntegerField()),
                        ("last_ms", models.BigIntegerField()),
                        ("times", models.BigIntegerField()),
                        ("crossing_id", models.TextField()),
                        ("record", models.TextField()),
                        ("content", models.BinaryField(null=True)),
                    ],
                    options={
                        "db_table": "pratique_refusal",
                        "indexes": [
                            models.Index(fields=["crossing_id"], name="pratique_refusal_crossing")
                        ],
                    },
                ),
            ],
        ),
    ]
