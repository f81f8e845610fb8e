"""Housekeeping of campaigns; may run at any time and any number of times."""

import datetime as dt

from celery import shared_task
from django.utils import timezone

from campaigns.models import DraftSnapshot

# What discarded and autosaved drafts were is kept this long.
_KEPT = dt.timedelta(days=30)


@shared_task
def purge_snapshots() -> int:
    """Delete what drafts were more than 30 days ago; return how many rows went."""
    n, _rows = DraftSnapshot.objects.filter(at__lt=timezone.now() - _KEPT).delete()
    return n
