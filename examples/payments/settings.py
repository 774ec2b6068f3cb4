"""Settings of the example: SQLite, one application, the guard first.

TWIN=vulnerable in the environment serves the view that believes instead.
"""

import os

TWIN = os.environ.get("TWIN", "app")
SECRET_KEY = os.environ["DJANGO_SECRET_KEY"]
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = f"examples.payments.{TWIN}"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("DATABASE", "payments.db"),
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"},
    }
}
INSTALLED_APPS = ["pratique.integrations.django", "examples.payments"]
MIDDLEWARE = ["pratique.integrations.django.Guard"] if TWIN == "app" else []
PRATIQUE = {"PERIMETER": "examples.payments.app.perimeter"}
