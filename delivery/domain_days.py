"""DomainDay: what every recipient's domain did with the messages of each delivery, counted from the log and its events.

One statement counts a delivery; it may run at any time, twice or in parallel, and gives the same numbers for the same
log. A soft or hard bounce means here what it means in `status` and `rollups`; this page's SQL is the only other place.
Refusals at hand-over are soft or hard as `failures` judges them, by what the server said.
Called hourly for what `rollups` counted again (`refresh`), and by `alerting` for what is under way (`refresh_recent`).
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, Q
from django.utils import timezone

from delivery import failures, retention, rollups
from delivery.models import EMAIL, RUNNING, Delivery, DeliveryState
from messaging.models import Feedback

# Domains with rows of their own in one delivery; the rest are counted together.
MOST_DOMAINS = 200
_RECENT = dt.timedelta(hours=24)
# A large send that is under way is counted again this often.
_LARGE_EVERY = dt.timedelta(minutes=15)
_LOCKS = 0x43680400

_IS_SOFT_REFUSAL = f"(code, {failures.SHAPE}) IN (SELECT * FROM unnest(%(codes)s::text[], %(shapes)s::text[]))"
_HANDED = f"""
WITH answers AS (
    SELECT request_no, profile_id,
           bool_or(kind = 'delivered') AS is_delivered,
           bool_or(kind = 'bounced' AND verdict <> 'ignored' AND NOT {rollups.IS_SOFT}) AS is_hard,
           bool_or(kind = 'bounced' AND verdict <> 'ignored' AND {rollups.IS_SOFT}) AS is_soft,
           bool_or(kind = 'unsubscribed') AS is_unsubscribed,
           bool_or(kind = 'complained') AS is_complained
    FROM delivery_event WHERE opened_month = %(month)s AND delivery_id = %(id)s {{events}}
    GROUP BY request_no, profile_id
), handed AS (
    SELECT (l.at AT TIME ZONE 'UTC')::date AS day, lower(split_part(l.address, '@', 2)) AS domain,
           l.outcome = 'sent' AS is_taken, l.at <= %(final_until)s AS is_over,
           CASE WHEN l.outcome = 'failed' THEN NOT {_IS_SOFT_REFUSAL} ELSE COALESCE(a.is_hard, false) END AS is_hard,
           CASE WHEN l.outcome = 'failed' THEN {_IS_SOFT_REFUSAL} ELSE COALESCE(a.is_soft, false) END AS is_soft,
           COALESCE(a.is_delivered, false) AS is_delivered,
           COALESCE(a.is_unsubscribed, false) AS is_unsubscribed,
           COALESCE(a.is_complained, false) AS is_complained
    FROM delivery_sendlog l
    LEFT JOIN answers a ON a.request_no = l.request_no AND a.profile_id = l.profile_id
    WHERE l.opened_month = %(month)s AND l.delivery_id = %(id)s AND l.outcome IN ('sent', 'failed') {{log}}
)
"""
# Of people in `handed`: handed over, delivered, hard, soft, complained, unsubscribed.
_SUMS = """count(*),
    count(*) FILTER (WHERE is_taken AND NOT is_hard AND (is_delivered
        OR (NOT %(real_time)s AND NOT (is_soft AND is_over)))),
    count(*) FILTER (WHERE is_hard),
    count(*) FILTER (WHERE is_soft AND NOT is_hard AND NOT (is_taken AND is_delivered)),
    count(*) FILTER (WHERE is_taken AND is_complained),
    count(*) FILTER (WHERE is_taken AND is_unsubscribed)"""
_COUNT = f"""
{_HANDED.format(events="", log="")}, largest AS (
    SELECT domain FROM handed GROUP BY domain ORDER BY count(*) DESC, domain LIMIT %(most)s
)
INSERT INTO delivery_domainday
    (delivery_id, day, domain, computed_at, n_sent, n_delivered, n_hard, n_soft, n_complained, n_unsubscribed)
SELECT %(id)s, h.day, COALESCE(largest.domain, ''), %(now)s,
    {_SUMS}
FROM handed h LEFT JOIN largest ON largest.domain = h.domain
GROUP BY h.day, COALESCE(largest.domain, '')
"""


_READ = ("id", "opened_month", "feedback", "valid_until", "validity_s", "is_standing", "removed", "channel")


@transaction.atomic
def rebuild(delivery_id: int) -> None:
    """Count one delivery of emails again. Reads its whole log without locking it; two at once wait for each other.

    Raises retention.LogRemoved.
    """
    delivery = Delivery.objects.only(*_READ).get(pk=delivery_id)
    retention.check(delivery)
    if delivery.channel != EMAIL:
        return
    with rollups.reading() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LOCKS, delivery.pk % 2**31])
        now = timezone.now()
        cursor.execute("DELETE FROM delivery_domainday WHERE delivery_id = %s", [delivery.pk])
        cursor.execute(_COUNT, {**_values(delivery, now), "now": now, "most": MOST_DOMAINS})


def of_requests(delivery_id: int, wanted: str, values: Mapping[str, Any]) -> dict[dt.date, tuple[int, ...]]:
    """Day → the sums of a DomainDay for some requests of one delivery, counted now. `wanted`: SQL of their numbers."""
    delivery = Delivery.objects.only(*_READ).get(pk=delivery_id)
    handed = _HANDED.format(events=f"AND request_no IN ({wanted})", log=f"AND l.request_no IN ({wanted})")
    with rollups.reading() as cursor:
        cursor.execute(
            f"{handed} SELECT day, {_SUMS} FROM handed GROUP BY day", {**values, **_values(delivery, timezone.now())}
        )
        return {day: tuple(sums) for day, *sums in cursor.fetchall()}


def _values(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    codes, shapes = failures.soft_refusals(delivery)
    return {
        "id": delivery.pk,
        "month": delivery.opened_month,
        "real_time": delivery.feedback == Feedback.REAL_TIME,
        "final_until": rollups.final_until(delivery, now),
        "codes": codes,
        "shapes": shapes,
    }


def refresh() -> int:
    """Count again what `rollups` counted since; how many that were. The hourly job."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.delivery_id FROM delivery_deliverystat s WHERE s.n_sent + s.n_failed_at_handover > 0"
            " AND NOT EXISTS (SELECT 1 FROM delivery_delivery f WHERE f.id = s.delivery_id"
            " AND (f.channel <> 'email' OR jsonb_exists_any(f.removed, ARRAY['log', 'events'])))"
            " AND NOT EXISTS (SELECT 1 FROM delivery_domainday d"
            " WHERE d.delivery_id = s.delivery_id AND d.computed_at >= s.computed_at) ORDER BY s.delivery_id"
        )
        ids = [delivery_id for (delivery_id,) in cursor.fetchall()]
    for delivery_id in ids:
        rebuild(delivery_id)
    return len(ids)


def refresh_recent() -> int:
    """Count again what is under way or ended in the last day; large sends only now and then. Every few minutes."""
    now = timezone.now()
    recent = Delivery.objects.filter(started_at__isnull=False, channel=EMAIL).filter(
        Q(state__in=RUNNING) | Q(state__in=[DeliveryState.FINISHED, DeliveryState.STOPPED], ended_at__gte=now - _RECENT)
    )
    n = 0
    for delivery in recent.select_related("stat").annotate(counted_at=Max("domain_days__computed_at")).order_by("pk"):
        is_small = rollups.size(delivery, getattr(delivery, "stat", None)) < rollups.SMALL
        is_running = delivery.state in RUNNING
        if is_small or (is_running and (not delivery.counted_at or now - delivery.counted_at >= _LARGE_EVERY)):
            rebuild(delivery.pk)
            n += 1
    return n
