"""Wake-up hints. Each carries ids only, may run twice or never: the tick finds what is left to do."""

from celery import shared_task

from delivery import (
    activity_log,
    alerting,
    attached,
    clock,
    computing,
    domain_days,
    options,
    partitions,
    preparation,
    recovery,
    refused_calls,
    removal,
    reports,
    return_mail,
    rollups,
    sending,
    test_messages,
)

# Seconds after which a hint that nobody took is worthless: the tick has sent newer ones.
_STALE_S = 10


@shared_task
def prepare(delivery_id: int) -> None:
    preparation.run(delivery_id)


@shared_task
def drain(delivery_id: int) -> None:
    sending.drain(delivery_id)


@shared_task
def tick() -> None:
    hints = clock.tick()
    for delivery_id in hints.prepare:
        prepare.apply_async((delivery_id,), expires=_STALE_S)
    for delivery_id in hints.drain:
        drain.apply_async((delivery_id,), expires=_STALE_S)


@shared_task
def compute_stats(delivery_id: int) -> None:
    computing.run(delivery_id)


@shared_task
def refresh_stats() -> None:
    rollups.refresh()
    domain_days.refresh()
    recovery.remove_orphans()


@shared_task
def fetch_bounces() -> None:
    return_mail.poll()


@shared_task
def handle_reports() -> None:
    reports.handle_waiting()


@shared_task
def purge_reports() -> None:
    reports.purge()


@shared_task
def keep_months() -> None:
    partitions.make_ahead()
    removal.run()


@shared_task
def purge_requests() -> None:
    keep = options.requests_kept()
    activity_log.purge(keep=keep)
    test_messages.purge(keep=keep)
    attached.purge()


@shared_task
def purge_refused_calls() -> None:
    refused_calls.purge(keep=options.requests_kept())


@shared_task
def watch() -> int:
    """Leave mails about sends in trouble; return how many alerts there were."""
    return alerting.watch()
