"""Django's door: keys and events in the database of its ORM, in the transaction of the effect.

INSTALLED_APPS = [..., "pratique.integrations.django"]      # then: manage.py migrate
perimeter = Perimeter(store=pratique.integrations.django.store())
"""

from .store import store
from .test_case import savepoints_in_test_case

__all__ = ["savepoints_in_test_case", "store"]
