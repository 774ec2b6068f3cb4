"""Django's door: a guard of the project, views that prove; keys and events in its own database.

INSTALLED_APPS = [..., "pratique.integrations.django"]      # then: manage.py migrate
MIDDLEWARE = ["pratique.integrations.django.Guard", ...]
PRATIQUE = {"PERIMETER": "shop.boundaries.perimeter"}
perimeter = Perimeter(store=pratique.integrations.django.store())
"""

from pratique.integrations.proving import called, opened
from pratique.integrations.routes import Elsewhere, Public, elsewhere
from pratique.integrations.shadow import shadow

from .middleware import Guard
from .ownership import listed, owned
from .store import store
from .test_case import savepoints_in_test_case
from .views import context_of, does, endpoint, guarded

__all__ = [
    "Elsewhere",
    "Guard",
    "Public",
    "called",
    "context_of",
    "does",
    "elsewhere",
    "endpoint",
    "guarded",
    "listed",
    "opened",
    "owned",
    "savepoints_in_test_case",
    "shadow",
    "store",
]
