"""Housekeeping of the API; may run at any time and any number of times."""

from celery import shared_task

from api import idempotency, posting


@shared_task
def purge_calls() -> int:
    """Forget answers that are older than a day; return how many went."""
    return idempotency.purge()


@shared_task
def post_events() -> int:
    """Post what became of transactional calls; return how many attempts were made."""
    return posting.run()
