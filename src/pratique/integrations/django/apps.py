"""The app that INSTALLED_APPS names: its migrations make the store's tables."""

from django.apps import AppConfig


class PratiqueConfig(AppConfig):
    """Holds the tables of `pratique.integrations.django.store`."""

    name = "pratique.integrations.django"
    label = "pratique"
    verbose_name = "Crossings"
