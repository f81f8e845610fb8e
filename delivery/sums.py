"""The figures of all messages of calls that are counted under one origin, by month: one statement for any number.

A program that sends another text to each person opens a delivery for each. This adds up what `kpi` says of each of
them, by the same rules; that both agree is proven in the tests, for random logs.
"""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.utils import timezone

from delivery import totals
from delivery.kpi import Summary

# Of each delivery as in kpi: live from the shards; from its DeliveryStat once that has everybody or they are gone.
_MONTHS = """
WITH mine AS (
    SELECT d.id, d.is_standing, d.feedback, d.n_to_send, d.state <> 'cancelled' AS counts,
        d.started_at IS NOT NULL AS has_started,
        date_trunc('month', d.opened_at AT TIME ZONE %(zone)s)::date AS month
    FROM delivery_delivery d WHERE d.origin_kind = %(kind)s AND d.origin_id = %(origin)s AND d.part <> ''
        AND (%(month)s::date IS NULL
            OR date_trunc('month', d.opened_at AT TIME ZONE %(zone)s)::date = %(month)s::date)
), live AS (
    SELECT s.delivery_id, sum(n_sent) AS sent, sum(n_failed) AS refused,
        sum(n_not_sent + n_cancelled + n_unknown) AS rest,
        sum(n_ids - n_retried) AS people
    FROM delivery_shard s WHERE s.delivery_id IN (SELECT id FROM mine) GROUP BY 1
), handed AS (
    SELECT m.*, t.n_failed - t.n_failed_at_handover AS bounced,
        t.n_delivered, t.n_opened, t.n_clicked, c.*
    FROM mine m LEFT JOIN live l ON l.delivery_id = m.id LEFT JOIN delivery_deliverystat t ON t.delivery_id = m.id
    CROSS JOIN LATERAL (SELECT t.n_not_sent + t.n_cancelled + t.n_unknown AS rest) o
    CROSS JOIN LATERAL (
        SELECT l.delivery_id IS NULL
            OR COALESCE(t.n_sent + t.n_failed_at_handover + o.rest = m.n_to_send, false) AS is_counted
    ) w
    CROSS JOIN LATERAL (
        SELECT COALESCE(CASE WHEN w.is_counted THEN t.n_sent + t.n_failed_at_handover ELSE l.sent + l.refused END, 0)
                AS sent,
            COALESCE(CASE WHEN w.is_counted THEN t.n_failed_at_handover ELSE l.refused END, 0) AS refused,
            COALESCE(CASE WHEN w.is_counted THEN o.rest ELSE l.rest END, 0) AS rest,
            COALESCE(CASE WHEN m.is_standing AND NOT w.is_counted THEN l.people ELSE m.n_to_send END, 0) AS to_send
    ) c
), answered AS (
    SELECT h.*, LEAST(h.refused + COALESCE(h.bounced, 0), h.sent) AS failed FROM handed h
)
SELECT month, count(*), max(id), bool_or(has_started), {sums}
FROM answered GROUP BY month ORDER BY month DESC
"""
_SUMS = {
    "to_send": "to_send",
    "sent": "sent",
    "delivered": "LEAST(sent - failed, CASE feedback WHEN 'real_time' THEN COALESCE(n_delivered, 0) ELSE sent END)",
    "failed": "failed",
    "opened": "n_opened",
    "clicked": "n_clicked",
    "processed": "sent + rest",
}
_STATEMENT = _MONTHS.format(
    sums=", ".join(f"COALESCE(sum({sql}) FILTER (WHERE counts), 0)::bigint" for sql in _SUMS.values())
)


@dataclass(frozen=True)
class Month:
    """One month in the zone of whoever looks. `n` deliveries were opened in it, `newest` (an id) the last."""

    first: dt.date
    n: int
    newest: int
    has_started: bool
    figures: Summary


def by_month(origin: tuple[str, str], *, only: dt.date | None = None) -> list[Month]:
    """All months, the newest first; `origin` as in Delivery. `only`: the month that begins on that day."""
    values = {"kind": origin[0], "origin": origin[1], "zone": timezone.get_current_timezone_name(), "month": only}
    with connection.cursor() as cursor:
        cursor.execute(_STATEMENT, values)
        return [
            Month(first, n, newest, has_started, _figures(dict(zip(_SUMS, sums, strict=True))))
            for first, n, newest, has_started, *sums in cursor.fetchall()
        ]


def _figures(sums: dict[str, Any]) -> Summary:
    return totals.total([replace(totals.total(()), **sums)])
