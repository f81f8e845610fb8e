"""Housekeeping of campaigns; may run at any time and any number of times."""

from celery import shared_task
from django.utils import timezone

from campaigns import broadcasts, contents, recurring, sources
from campaigns.models import DraftSnapshot


@shared_task
def purge_snapshots() -> int:
    """Delete what drafts were more than 30 days ago (sources.KEPT); return how many rows went."""
    n, _rows = DraftSnapshot.objects.filter(at__lt=timezone.now() - sources.KEPT).delete()
    return n


@shared_task
def advance_recurring() -> None:
    """Do what repeating campaigns have due; the delivery tick wakes the workers for it."""
    recurring.run()


@shared_task
def advance_requests() -> None:
    """Do what requests for a whole audience have due; the delivery tick wakes the workers for it."""
    broadcasts.run()


@shared_task
def close_idle_contents() -> None:
    """Close standing deliveries of messages that no call brought lately."""
    contents.close_idle()
