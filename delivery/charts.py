"""The totals of a delivery over time: counted from the log, and finished for the chart and its table. Reads only."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from delivery import rollups
from delivery.models import ENDED, RUNNING, Delivery

# Milliseconds between two looks at the chart of a running delivery.
_EVERY_MS = 15_000
# Seconds a chart is kept: counting over a whole log is too much for every look.
_CHART_TTL_S = 15
_CHART_SMALL_TTL_S = 2
_POINTS = 120
# A chart's steps in seconds; the first that needs at most _POINTS points is taken.
_STEPS_S = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)


@dataclass(frozen=True)
class Point:
    """Running totals at one moment."""

    at: dt.datetime
    sent: int
    failed: int
    opened: int
    clicked: int


_CHART = """
SELECT floor(extract(epoch FROM at - %(start)s) / %(step)s)::int AS bucket,
       sum(sent)::bigint, sum(failed)::bigint, sum(opened)::bigint, sum(clicked)::bigint
FROM (
    SELECT at, 1 AS sent, (outcome = 'failed')::int AS failed, 0 AS opened, 0 AS clicked
    FROM delivery_sendlog WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome IN ('sent', 'failed')
    UNION ALL
    SELECT min(at), 0, (kind = 'bounced')::int, (kind = 'opened')::int, (kind = 'clicked')::int
    FROM delivery_event
    WHERE opened_month = %(month)s AND delivery_id = %(id)s AND NOT is_automatic
      AND kind IN ('bounced', 'opened', 'clicked')
    GROUP BY request_no, profile_id, kind
) AS happened
WHERE at < %(end)s
GROUP BY bucket ORDER BY bucket
"""


def points(of: Delivery, *, until: dt.datetime, span: dt.timedelta | None = None) -> list[Point]:
    """Running totals from the start (or, with `span`, of the first `span`) to `until`, at most about 120 points.

    People are counted once, at their first open or click. Cached for some seconds, because it reads the whole log.
    """
    if of.started_at is None:
        return []
    end = min(until, of.started_at + span) if span else until
    seconds = max(1.0, (end - of.started_at).total_seconds())
    step = next((step for step in _STEPS_S if seconds / step <= _POINTS), _STEPS_S[-1])
    key = f"delivery-chart:{of.pk}:{span}:{step}"
    try:
        found: list[Point] | None = cache.get(key)
        if found is None:
            found = _points(of, end, step)
            is_small = (of.n_to_send or 0) < rollups.SMALL
            cache.set(key, found, timeout=_CHART_SMALL_TTL_S if is_small else _CHART_TTL_S)
    except RedisError:
        return _points(of, end, step)
    return found


def _points(of: Delivery, end: dt.datetime, step: int) -> list[Point]:
    assert of.started_at is not None
    with connection.cursor() as cursor:
        start = of.started_at
        cursor.execute(_CHART, {"month": of.opened_month, "id": of.pk, "start": start, "end": end, "step": step})
        rows = cursor.fetchall()
    totals = [0, 0, 0, 0]
    points = [Point(of.started_at, 0, 0, 0, 0)]
    for bucket, *amounts in rows:
        totals = [total + amount for total, amount in zip(totals, amounts, strict=True)]
        at = min(end, of.started_at + dt.timedelta(seconds=(bucket + 1) * step))
        points.append(Point(at, *totals))
    if points[-1].at < end:
        points.append(Point(end, *totals))
    return points


def end(delivery: Delivery) -> dt.datetime:
    """Where the chart ends: now, or when the validity period was over, after which little happens."""
    now = timezone.now()
    is_over = delivery.state in ENDED and delivery.valid_until is not None
    return min(now, delivery.valid_until) if is_over and delivery.valid_until else now


def fragment(delivery: Delivery, points: Sequence[Point], span: str) -> dict[str, Any]:
    """The chart fragment: numbers for the drawing, names for its lines, and rows for the table."""
    here = reverse("delivery:chart", args=[delivery.public_id])
    labels = [_("Sent"), _("Bounces + errors"), _("Opened"), _("Clicked")]
    return {
        "delivery": delivery,
        "points": points if points and points[-1].sent else [],
        "here": f"{here}?span={span}",
        "every_ms": _EVERY_MS if delivery.state in RUNNING or delivery.started_at is None else _EVERY_MS * 4,
        "data": {
            "labels": labels,
            "x": [round(point.at.timestamp()) for point in points],
            "series": [
                [point.sent for point in points],
                [point.failed for point in points],
                [point.opened for point in points],
                [point.clicked for point in points],
            ],
        },
        "spans": [
            {"label": label, "url": f"{here}?span={name}", "is_current": name == span}
            for name, label in (("1h", _("1 h")), ("24h", _("24 h")), ("all", _("All")))
        ],
    }
