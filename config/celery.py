"""The Celery application. Messages are wake-up hints with ids; PostgreSQL is the queue and the ledger."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("chappe")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
