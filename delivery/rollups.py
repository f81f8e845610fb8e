"""DeliveryStat: the figures of one delivery that need its whole log. Counted from the log and the events, nothing else.

Rebuilding is one statement, may run at any time, twice or in parallel, and gives the same numbers for the same log.
Called hourly for what still changes (`refresh`), by Compute stats, and by whoever looks at a small send (`freshen`).
"""

import contextlib
import datetime as dt
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from delivery import endings, retention
from delivery.models import Delivery, DeliveryStat, DeliveryState
from messaging.models import Feedback

# Up to this many messages a rebuild is cheap enough to do while somebody looks.
SMALL = 50_000
# Seconds between two rebuilds of a small send that somebody looks at.
FRESH_S = 15
# Seconds between two rebuilds by the scheduler.
HOURLY_S = 3600
_LOCKS = 0x43680300
_WORK_MEM = "64MB"
# Events that come later than this after the validity period are found by Compute stats only.
_WATCH = dt.timedelta(days=7)

# The rule of `status.is_soft` in SQL, over the columns of a bounce.
IS_SOFT = "(verdict = 'soft' OR (verdict <> 'hard' AND code LIKE '4%%'))"


def _verdicts(people: str, join: str) -> str:
    """One row per message with what came back for it, for whoever counts or lists people by the same rules.

    The delivery's month prunes partitions.
    """
    return f"""
WITH answers AS (
    SELECT request_no, profile_id,
           bool_or(kind = 'delivered') AS is_delivered,
           bool_or(kind = 'deferred') AS is_deferred,
           bool_or(kind = 'bounced' AND verdict <> 'ignored' AND NOT {IS_SOFT}) AS is_hard,
           bool_or(kind = 'bounced' AND verdict <> 'ignored' AND {IS_SOFT}) AS is_soft,
           bool_or(kind = 'opened' AND NOT is_automatic) AS is_opened,
           bool_or(kind = 'opened' AND is_automatic) AS is_opened_automatic,
           bool_or(kind = 'clicked' AND NOT is_automatic) AS is_clicked,
           bool_or(kind = 'clicked' AND is_automatic) AS is_clicked_automatic,
           bool_or(kind = 'unsubscribed') AS is_unsubscribed,
           bool_or(kind = 'complained') AS is_complained,
           min(at) FILTER (WHERE kind = 'delivered') AS delivered_at,
           COALESCE(min(at) FILTER (WHERE kind = 'bounced' AND verdict <> 'ignored'),
                    min(at) FILTER (WHERE kind = 'deferred')) AS failed_at,
           min(at) FILTER (WHERE kind = 'opened' AND NOT is_automatic) AS first_opened_at,
           min(at) FILTER (WHERE kind = 'clicked' AND NOT is_automatic) AS first_clicked_at
    FROM delivery_event WHERE opened_month = %(month)s AND delivery_id = %(id)s {people}
    GROUP BY request_no, profile_id
), rows AS (
    SELECT l.profile_id AS person_id, l.at AS handed_at, l.outcome, a.*,
           CASE WHEN l.outcome <> 'sent' THEN NULL
                WHEN a.is_hard THEN 'failed'
                WHEN a.is_delivered THEN 'delivered'
                WHEN %(real_time)s THEN CASE WHEN a.is_soft OR a.is_deferred THEN 'failed' ELSE 'pending' END
                WHEN a.is_soft AND l.at <= %(final_until)s THEN 'failed'
                ELSE 'delivered' END AS verdict
    FROM delivery_sendlog l
    {join} answers a ON a.request_no = l.request_no AND a.profile_id = l.profile_id
    WHERE l.opened_month = %(month)s AND l.delivery_id = %(id)s
)
"""


VERDICTS = _verdicts("", "LEFT JOIN")
# The same of those only who can have failed after hand-over: for whom a bounce or a deferral came.
FAILING = _verdicts(
    """AND (request_no, profile_id) IN (SELECT request_no, profile_id FROM delivery_event
        WHERE opened_month = %(month)s AND delivery_id = %(id)s AND kind IN ('bounced', 'deferred'))""",
    "JOIN",
)
_REBUILD = f"""{VERDICTS}
INSERT INTO delivery_deliverystat (delivery_id, computed_at, n_sent, n_failed_at_handover, n_not_sent, n_cancelled,
    n_unknown, n_delivered, n_pending, n_failed, n_opened, n_opened_automatic, n_not_opened, n_clicked,
    n_clicked_automatic, n_unsubscribed, n_complained)
SELECT %(id)s, %(now)s,
    count(*) FILTER (WHERE outcome = 'sent'),
    count(*) FILTER (WHERE outcome = 'failed'),
    count(*) FILTER (WHERE outcome = 'not_sent'),
    count(*) FILTER (WHERE outcome = 'cancelled'),
    count(*) FILTER (WHERE outcome = 'unknown'),
    count(*) FILTER (WHERE verdict = 'delivered'),
    count(*) FILTER (WHERE verdict = 'pending'),
    count(*) FILTER (WHERE verdict = 'failed' OR outcome = 'failed'),
    count(*) FILTER (WHERE outcome = 'sent' AND is_opened),
    count(*) FILTER (WHERE outcome = 'sent' AND is_opened_automatic AND NOT is_opened),
    count(*) FILTER (WHERE verdict IN ('delivered', 'pending') AND is_opened IS NOT TRUE),
    count(*) FILTER (WHERE outcome = 'sent' AND is_clicked),
    count(*) FILTER (WHERE outcome = 'sent' AND is_clicked_automatic AND NOT is_clicked),
    count(*) FILTER (WHERE outcome = 'sent' AND is_unsubscribed),
    count(*) FILTER (WHERE outcome = 'sent' AND is_complained)
FROM rows
ON CONFLICT (delivery_id) DO UPDATE SET
    (computed_at, n_sent, n_failed_at_handover, n_not_sent, n_cancelled, n_unknown, n_delivered, n_pending, n_failed,
     n_opened, n_opened_automatic, n_not_opened, n_clicked, n_clicked_automatic, n_unsubscribed, n_complained)
  = (EXCLUDED.computed_at, EXCLUDED.n_sent, EXCLUDED.n_failed_at_handover, EXCLUDED.n_not_sent, EXCLUDED.n_cancelled,
     EXCLUDED.n_unknown, EXCLUDED.n_delivered, EXCLUDED.n_pending, EXCLUDED.n_failed, EXCLUDED.n_opened,
     EXCLUDED.n_opened_automatic, EXCLUDED.n_not_opened, EXCLUDED.n_clicked,
     EXCLUDED.n_clicked_automatic, EXCLUDED.n_unsubscribed, EXCLUDED.n_complained)
  WHERE delivery_deliverystat.computed_at <= EXCLUDED.computed_at
"""


def rebuild(delivery_id: int) -> DeliveryStat:
    """Count everything of one delivery again and return it. Reads the whole log of the delivery; no locks on it.

    Raises retention.LogRemoved.
    """
    delivery = Delivery.objects.only(
        "id", "opened_month", "feedback", "valid_until", "validity_s", "is_standing", "removed"
    ).get(pk=delivery_id)
    now = timezone.now()
    with reading() as cursor:
        cursor.execute(_REBUILD, verdict_values(delivery, now))
    return DeliveryStat.objects.get(pk=delivery_id)


def size(delivery: Delivery, stat: DeliveryStat | None) -> int:
    """How many messages it is about: of a standing delivery those it had when it was counted last."""
    if not delivery.is_standing or stat is None:
        return delivery.n_to_send or 0
    return stat.n_sent + stat.n_failed_at_handover + stat.n_not_sent + stat.n_cancelled + stat.n_unknown


@contextlib.contextmanager
def reading() -> Iterator[CursorWrapper]:
    """A cursor for a statement that goes on with VERDICTS, with memory to do it without files on disk."""
    with transaction.atomic(), connection.cursor() as cursor:
        # A month that was not analysed yet looks empty to the planner: a nested loop over it would take hours.
        cursor.execute(
            "SELECT set_config('work_mem', %s, true), set_config('enable_nestloop', 'off', true)", [_WORK_MEM]
        )
        yield cursor


def verdict_values(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """The parameters of VERDICTS, for a statement that goes on with it. Raises retention.LogRemoved."""
    retention.check(delivery)
    return {
        "id": delivery.pk,
        "month": delivery.opened_month,
        "now": now,
        "real_time": delivery.feedback == Feedback.REAL_TIME,
        "final_until": final_until(delivery, now),
    }


def is_final(delivery: Delivery, now: dt.datetime, *, handed_at: dt.datetime | None = None) -> bool:
    """True once the validity period is over: soft bounces are not retried any more. `handed_at`: of one message; it
    matters for standing deliveries, whose requests have periods of their own."""
    if handed_at is not None:
        return handed_at <= final_until(delivery, now)
    return delivery.valid_until is not None and delivery.valid_until <= now


def final_until(delivery: Delivery, now: dt.datetime) -> dt.datetime:
    """Messages handed over up to then are final."""
    if is_final(delivery, now):
        return endings.NEVER
    if delivery.is_standing:
        return now - dt.timedelta(seconds=delivery.validity_s)
    return dt.datetime.min.replace(tzinfo=dt.UTC)


def freshen(delivery: Delivery) -> None:
    """Rebuild a small send whose figures are older than FRESH_S; larger ones wait for the hour or for Compute stats."""
    stat = DeliveryStat.objects.filter(pk=delivery.pk).first()
    if delivery.started_at is None or size(delivery, stat) >= SMALL or delivery.is_frozen:
        return
    if stat and timezone.now() - stat.computed_at < dt.timedelta(seconds=FRESH_S):
        return
    with transaction.atomic(), connection.cursor() as cursor:
        # Ten people who look at once count once.
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCKS, delivery.pk])
        if cursor.fetchone()[0]:
            rebuild(delivery.pk)


def due() -> list[int]:
    """Deliveries whose figures may have changed since their last rebuild, oldest first."""
    now = timezone.now()
    started = Delivery.objects.filter(started_at__isnull=False).exclude(state=DeliveryState.CANCELLED)
    started = started.exclude(removed__has_any_keys=[retention.LOG, retention.EVENTS])
    recent = started.filter(valid_until__gte=now - _WATCH) | started.filter(stat__isnull=True)
    stale = now - dt.timedelta(seconds=HOURLY_S * 0.9)
    return list(
        recent.exclude(stat__computed_at__gte=stale)
        .order_by("stat__computed_at")
        .distinct()
        .values_list("pk", flat=True)
    )


def refresh() -> int:
    """Rebuild everything that is due; return how many. The hourly job."""
    ids = due()
    for delivery_id in ids:
        rebuild(delivery_id)
    return len(ids)
