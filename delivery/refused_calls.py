"""Calls of the API that were refused, for the activity log: kept briefly, bounded in number and size.

Nothing depends on these rows. The caller decides how often one is written (api.noting); here is how many stay.
"""

import datetime as dt
import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from delivery.models import RefusedCall

# Rows that stay at most, of keys and of nobody's: callers without a key must not push out those with one.
MOST, MOST_OF_NOBODY = 100_000, 10_000
_MOST_TEXT = 1000
_AT_ONCE = 5_000


@dataclass(frozen=True)
class Refusal:
    """What is kept of one call; `asked` without secrets and personal data already."""

    method: str
    path: str
    status: int
    code: str
    sentences: str = ""
    key_id: uuid.UUID | None = None
    key_label: str = ""
    address: str = ""
    origin_id: str = ""
    asked: object = None


@transaction.atomic
def keep(refusal: Refusal) -> RefusedCall:
    """One row, cut to size."""
    return RefusedCall.objects.create(
        at=timezone.now(),
        method=refusal.method[:10],
        path=refusal.path[:100],
        status=refusal.status,
        code=refusal.code[:120],
        sentences=refusal.sentences[:_MOST_TEXT],
        key_id=refusal.key_id,
        key_label=refusal.key_label[:120],
        address=refusal.address[:45],
        origin_id=refusal.origin_id[:60],
        asked=refusal.asked,
    )


def add(row_id: int, n: int) -> None:
    """`n` more calls like that of a row, which have none of their own."""
    RefusedCall.objects.filter(pk=row_id).update(n_more=F("n_more") + n)


def purge(*, keep: dt.timedelta, now: dt.datetime | None = None) -> int:
    """Delete what is older, and the oldest of what is too much; how many rows went. Safe at any time."""
    over = (now or timezone.now()) - keep
    n = _delete(RefusedCall.objects.filter(at__lt=over).order_by("at"))
    for is_nobodys, most in ((False, MOST), (True, MOST_OF_NOBODY)):
        rows = RefusedCall.objects.filter(key_id__isnull=is_nobodys).order_by("-at", "-pk")
        if last := rows.values_list("at", flat=True)[most : most + 1].first():
            n += _delete(RefusedCall.objects.filter(key_id__isnull=is_nobodys, at__lte=last).order_by("at"))
    return n


def _delete(rows: QuerySet[RefusedCall]) -> int:
    n = 0
    while ids := list(rows.values_list("pk", flat=True)[:_AT_ONCE]):
        n += RefusedCall.objects.filter(pk__in=ids).delete()[0]
    return n
