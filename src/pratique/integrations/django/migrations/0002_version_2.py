"""Version 2 of the tables: whoever made those of version 1, they are upgraded in place."""

from importlib import import_module
from typing import Any, ClassVar, Final

from django.db import migrations, models

_first: Final[Any] = import_module("pratique.integrations.django.migrations.0001_initial")


class Migration(migrations.Migration):
    """What version 2 adds, by the store's own statements; the models in Django's state alone.

    Backwards it changes nothing: what a version adds is optional.
    """

    dependencies: ClassVar = [("pratique", "0001_initial")]
    operations: ClassVar = [
        migrations.RunPython(_first.make_tables, migrations.RunPython.noop),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AddIndex(
                    "Refusal",
                    models.Index(
                        fields=["last_ms"],
                        name="pratique_refusal_content",
                        condition=models.Q(content__isnull=False),
                    ),
                ),
            ],
        ),
    ]
