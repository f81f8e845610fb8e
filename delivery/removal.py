"""Retention: removes the rows about single people of sends that ended long ago; a regular task, and `purge_logs`.

1. A month whose log or events are due is frozen, send by send: figures are counted a last time, people who had it are
   kept as ids (PastRecipients), and `Delivery.removed` says what goes, when and why.
2. Its partition is detached and dropped, which gives way to everybody; what is in use goes the next time.
3. Exclusions go in small batches: they lie by send, not by month.

A month is kept whole while one of its sends runs, is confirmed, or ended too recently. May be killed at any line and
run again: what is frozen stays frozen, and the partition is still due. Consent and quarantine are none of its business.
"""

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit
from delivery import domain_days, partitions, retention, rollups
from delivery.models import ENDED, RUNNING, Delivery, DeliveryState, Exclusion, NotedRefusal, Shard, ShardState
from delivery.partitions import Partition

logger = logging.getLogger(__name__)
_TABLE_OF = {
    "delivery_attempt": retention.ATTEMPTS,
    "delivery_event": retention.EVENTS,
    "delivery_sendlog": retention.LOG,
}
# What is left over is looked at last, so that no event is without the message it belongs to.
_ORDER = tuple(_TABLE_OF)
_BATCH = 5_000
_CHUNK = 10_000
_MACHINE = "retention"
# States in which rows may still come, without anybody confirming anything.
_OPEN_STATES = (DeliveryState.PREPARING, DeliveryState.CONFIRMED, *RUNNING)

_REMEMBER = """
INSERT INTO delivery_pastrecipients (delivery_id, at, ids)
SELECT %(id)s, max(at), array_agg(profile_id ORDER BY profile_id) FROM (
    SELECT profile_id, max(at) AS at, (row_number() OVER (ORDER BY profile_id) - 1) / %(chunk)s AS part
    FROM delivery_sendlog
    WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome IN ('sent', 'unknown')
    GROUP BY profile_id
) had GROUP BY part
"""
_SWEEP = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE delivery_id = %s LIMIT %s))
"""


@dataclass(frozen=True)
class Line:
    """One partition or one send's exclusions that are due. `why_kept` says in words what keeps it; "" when it goes."""

    what: str
    month: dt.date
    n_rows: int
    n_bytes: int
    months: int
    why_kept: str = ""


def due(now: dt.datetime | None = None) -> list[Line]:
    """What the next run would do, without doing it. Rows are PostgreSQL's estimates."""
    now = now or timezone.now()
    lines = [_line(old, months, now) for old, months in _due(now)]
    kept = retention.kept_months()[retention.EXCLUSIONS]
    if kept is not None:
        for delivery in _with_exclusions(now, kept):
            what, n = f"delivery_exclusion: {delivery.label}", delivery.n_excluded or 0
            lines.append(Line(what, delivery.opened_month, n, 0, kept))
    return lines


def run(now: dt.datetime | None = None) -> list[Line]:
    """Remove what is due; what was removed, and what was kept and why. Outside of transactions.

    One at a time: while another run or an opening holds the months, nothing is done.
    """
    now = now or timezone.now()
    lines = []
    for old, months in _due(now):
        if not partitions.lock():
            lines.append(_busy(old, months))
            break
        try:
            lines.append(_remove(old, months, now))
        finally:
            partitions.unlock()
    return lines + _sweep_exclusions(now)


def _due(now: dt.datetime) -> list[tuple[Partition, int]]:
    kept = retention.kept_months()
    found = []
    for old in sorted(partitions.found(), key=lambda one: (one.month, _ORDER.index(one.table))):
        months = kept[_TABLE_OF[old.table]]
        limit = retention.before(now, months).date() if months is not None else dt.date.min
        # What an earlier run began is finished, also when it is set to be kept longer now.
        if partitions.after(old.month) <= limit or old.state != partitions.ATTACHED:
            found.append((old, months or 0))
    return found


def _line(old: Partition, months: int, now: dt.datetime) -> Line:
    return Line(old.name, old.month, old.n_rows, old.n_bytes, months, _holder(old, months, now))


def _holder(old: Partition, months: int, now: dt.datetime) -> str:
    """Why a month must stay, in words; "" when nothing needs it."""
    if old.state != partitions.ATTACHED:
        return ""
    open_shards = Shard.objects.filter(delivery=OuterRef("pk"), state__in=[ShardState.WAITING, ShardState.LEASED])
    is_open = Q(state__in=_OPEN_STATES) | Q(refreshing_from__isnull=False)
    is_young = Q(ended_at__isnull=True) | Q(ended_at__gt=retention.before(now, months)) | Q(valid_until__gt=now)
    still = is_open | (Q(started_at__isnull=False) & (is_young | Exists(open_shards)))
    first = Delivery.objects.filter(still, opened_month=old.month).order_by("pk").first()
    if first is None:
        return ""
    if first.ended_at is None or first.state not in ENDED:
        return _("“{send}” has not ended.").format(send=first.label)
    return _("“{send}” ended too recently.").format(send=first.label)


def _remove(old: Partition, months: int, now: dt.datetime) -> Line:
    line = _line(old, months, now)
    if line.why_kept:
        return line
    part = _TABLE_OF[old.table]
    if old.state == partitions.ATTACHED:
        sent = Delivery.objects.filter(opened_month=old.month, started_at__isnull=False)
        for delivery_id in sent.exclude(removed__has_key=part).order_by("pk").values_list("pk", flat=True):
            _freeze(delivery_id, part, months, now)
    if not partitions.detach(old) or not _drop(old, months):
        return _busy(old, months)
    logger.info("%s was removed: about %s rows, %s bytes", old.name, old.n_rows, old.n_bytes)
    return line


def _busy(old: Partition, months: int) -> Line:
    return Line(old.name, old.month, old.n_rows, old.n_bytes, months, _("It is in use. The next run tries again."))


def _drop(old: Partition, months: int) -> bool:
    """The partition goes with its row in the audit trail; False while somebody reads it."""
    detail: dict[str, object] = {"partition": old.name, "rows": old.n_rows, "bytes": old.n_bytes, "months": months}
    try:
        with transaction.atomic():
            partitions.drop(old)
            audit.record("log.removed", subject=("installation", "log"), label=_MACHINE, detail=detail)
    except OperationalError:
        return False
    return True


@transaction.atomic
def _freeze(delivery_id: int, part: str, months: int, now: dt.datetime) -> None:
    """Keep of one send what must outlive its rows, and note that they go. Reads its whole log, once."""
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    if part in delivery.removed:
        return
    if part in (retention.LOG, retention.EVENTS) and not delivery.is_frozen:
        rollups.rebuild(delivery.pk)
        domain_days.rebuild(delivery.pk)
    if part == retention.LOG:
        with connection.cursor() as cursor:
            cursor.execute(_REMEMBER, {"id": delivery.pk, "month": delivery.opened_month, "chunk": _CHUNK})
        # Their ids are the same people; what they counted is in the figures.
        Shard.objects.filter(delivery=delivery).delete()
        sum(_sweep(NotedRefusal._meta.db_table, delivery.pk))
    _note(delivery, part, months, now)


def _note(delivery: Delivery, part: str, months: int, now: dt.datetime) -> None:
    delivery.removed = {**delivery.removed, part: {"at": now.isoformat(), "months": months}}
    delivery.save(update_fields=["removed"])
    subject = ("delivery", str(delivery.public_id))
    audit.record("delivery.log_removed", subject=subject, label=_MACHINE, detail={"part": part, "months": months})


def _with_exclusions(now: dt.datetime, months: int) -> list[Delivery]:
    ended = Delivery.objects.filter(state__in=ENDED, ended_at__lte=retention.before(now, months))
    rows = Exclusion.objects.filter(delivery=OuterRef("pk"))
    return list(ended.filter(Exists(rows)).order_by("pk"))


def _sweep_exclusions(now: dt.datetime) -> list[Line]:
    months = retention.kept_months()[retention.EXCLUSIONS]
    if months is None:
        return []
    lines = []
    for delivery in _with_exclusions(now, months):
        with transaction.atomic():
            locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
            if retention.EXCLUSIONS not in locked.removed:
                _note(locked, retention.EXCLUSIONS, months, now)
        n = sum(_sweep("delivery_exclusion", delivery.pk))
        lines.append(Line(f"delivery_exclusion: {delivery.label}", delivery.opened_month, n, 0, months))
    return lines


def _sweep(table: str, delivery_id: int) -> Iterator[int]:
    """Delete the rows of one send in batches, each its own short statement; how many each time."""
    n = _BATCH
    while n == _BATCH:
        with connection.cursor() as cursor:
            cursor.execute(_SWEEP.format(table=table), [delivery_id, _BATCH])
            n = cursor.rowcount
        yield n
