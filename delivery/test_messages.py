"""Test messages of campaigns, for the activity log: one row for each address, kept as long as requests."""

import datetime as dt
from collections.abc import Iterable

from django.utils import timezone

from accounts.models import User
from delivery.callformat import Origin
from delivery.models import TestMessage
from messaging.testsend import TestResult


def record(origin: Origin, results: Iterable[TestResult], *, by: User) -> None:
    """What became of each address of one test; after the mail server has answered."""
    now = timezone.now()
    TestMessage.objects.bulk_create(
        TestMessage(
            at=now,
            origin_id=origin.id,
            label=origin.label[:255],
            address=one.address[:320],
            is_taken=one.ok,
            detail=one.message[:1000],
            by=by,
        )
        for one in results
    )


def purge(*, keep: dt.timedelta, now: dt.datetime | None = None) -> int:
    """Delete what is older; how many rows went."""
    return TestMessage.objects.filter(at__lt=(now or timezone.now()) - keep).delete()[0]
