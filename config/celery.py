"""The Celery application. Messages are wake-up hints with ids; PostgreSQL is the queue and the ledger."""

import os
import signal

from celery import Celery, signals

from config.local import process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's checks would load every page into workers, which show none: 12 of 120 MB each. `migrate` runs the checks.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("chappe")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_init.connect
def _look_at_database(**_: object) -> None:
    # Reads the settings of Django, which this module is imported by.
    from config import durability  # noqa: PLC0415

    durability.warn()


@signals.worker_process_init.connect
def _end_with_worker(**_: object) -> None:
    """A pool process whose worker was killed would finish its task beside the one that gets the task again."""
    process.follow_parent(signal.SIGKILL, parent=os.getppid())
