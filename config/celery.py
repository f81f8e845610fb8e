"""The Celery application. Messages are wake-up hints with ids; PostgreSQL is the queue and the ledger."""

import os
import signal

from celery import Celery, signals

from config.local import process

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("chappe")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.worker_process_init.connect
def _end_with_worker(**_: object) -> None:
    """A pool process whose worker was killed would finish its task beside the one that gets the task again."""
    process.follow_parent(signal.SIGKILL, parent=os.getppid())
