"""The Django app of this room; importing the Celery application here makes it the one that tasks register with."""

from django.apps import AppConfig
from django.core import checks

from config import durability
from config.celery import app as celery_app

__all__ = ["ConfigConfig", "celery_app"]


class ConfigConfig(AppConfig):
    """Shell, health and the local run; no models."""

    name = "config"
    verbose_name = "Chappe"

    def ready(self) -> None:
        checks.register(durability.check, checks.Tags.database)
