"""The totals of a delivery over time: counted from the log, and finished for the chart and its table. Reads only.

Each person moves each line once, at the time of what the panel's figures count them for; so the last totals are the
figures of the tiles, as far as both are of the same moment.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db.models import Max
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from delivery import retention, rollups, status
from delivery.models import ENDED, RUNNING, Delivery, Event, EventKind

# Milliseconds between two looks at the chart of a running delivery.
_EVERY_MS = 15_000
# Seconds a chart is kept: counting over a whole log is too much for every look.
_TTL_S = 30
_SMALL_TTL_S = 2
_MOST_POINTS = 120
# A chart's steps in seconds; the first that needs at most _MOST_POINTS points is taken.
_STEPS_S = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)
# Events that move a line.
_SHOWN = (*status.KINDS, EventKind.OPENED, EventKind.CLICKED)
SPANS = {"1h": dt.timedelta(hours=1), "24h": dt.timedelta(hours=24)}


@dataclass(frozen=True)
class Point:
    """Running totals at one moment."""

    at: dt.datetime
    sent: int
    delivered: int
    failed: int
    opened: int
    clicked: int


def _step(at: str) -> str:
    """SQL: the beginning of the step in which `at` lies, NULL from the end on. Another server's clock may be behind."""
    return (
        f"CASE WHEN {at} < %(start)s THEN %(start)s WHEN {at} < %(end)s"
        f" THEN date_bin(make_interval(secs => %(step)s), {at}, %(start)s) END"
    )


# Those of one fate are counted together first: each of a million rows moves up to five lines.
# With bounces only, whoever was sent to counts as delivered until they fail.
_TOTALS = f"""{rollups.VERDICTS}, fates AS (
    SELECT outcome = 'failed' AS is_refused, verdict = 'failed' AS is_failed, count(*) AS n,
           {_step("handed_at")} AS handed_at,
           {_step("CASE WHEN verdict = 'failed' THEN failed_at END")} AS failed_at,
           {_step("CASE WHEN %(real_time)s AND verdict = 'delivered' THEN delivered_at END")} AS delivered_at,
           {_step("CASE WHEN outcome = 'sent' THEN first_opened_at END")} AS opened_at,
           {_step("CASE WHEN outcome = 'sent' THEN first_clicked_at END")} AS clicked_at
    FROM rows WHERE outcome IN ('sent', 'failed')
    GROUP BY 1, 2, 4, 5, 6, 7, 8
)
SELECT happened.at, sum(n * sent), sum(n * delivered), sum(n * failed), sum(n * opened), sum(n * clicked)
FROM fates CROSS JOIN LATERAL (VALUES
    (handed_at, 1, CASE WHEN %(real_time)s OR is_refused THEN 0 ELSE 1 END, 0, 0, 0),
    (CASE WHEN is_refused THEN handed_at ELSE failed_at END,
        0, CASE WHEN %(real_time)s OR is_refused THEN 0 ELSE -1 END, 1, 0, 0),
    (delivered_at, 0, 1, 0, 0, 0),
    (opened_at, 0, 0, 0, 1, 0),
    (clicked_at, 0, 0, 0, 0, 1)
) AS happened (at, sent, delivered, failed, opened, clicked)
WHERE happened.at IS NOT NULL
GROUP BY happened.at ORDER BY happened.at
"""


def points(of: Delivery, *, until: dt.datetime, span: dt.timedelta | None = None) -> list[Point]:
    """Running totals from the start (or, with `span`, of the first `span`) to `until`, at most about 120 points.

    People are counted once, at their first open or click. Cached for some seconds, because it reads the whole log.
    """
    if of.started_at is None or of.is_frozen:
        return []
    end = min(until, of.started_at + span) if span else until
    seconds = max(1.0, (end - of.started_at).total_seconds())
    step = next((step for step in _STEPS_S if seconds / step <= _MOST_POINTS), _STEPS_S[-1])
    key = f"delivery-totals:{of.pk}:{span.total_seconds() if span else 'all'}:{step}"
    try:
        found: list[Point] | None = cache.get(key)
        if found is None:
            found = count(of, end, step)
            is_small = (of.n_to_send or 0) < rollups.SMALL
            # That there is nothing yet costs little to find out, and may be untrue at the next look.
            if found:
                cache.set(key, found, timeout=_SMALL_TTL_S if is_small else _TTL_S)
    except RedisError:
        return count(of, end, step)
    return found


def count(of: Delivery, end: dt.datetime, step: int) -> list[Point]:
    """The totals at every `step` seconds in which something happened, at the start and at `end`. Reads the log."""
    assert of.started_at is not None
    values = rollups.verdict_values(of, timezone.now()) | {"start": of.started_at, "end": end, "step": step}
    with rollups.reading() as cursor:
        cursor.execute(_TOTALS, values)
        rows = cursor.fetchall()
    totals = [0, 0, 0, 0, 0]
    found = [Point(of.started_at, 0, 0, 0, 0, 0)]
    for since, *amounts in rows:
        totals = [total + int(amount) for total, amount in zip(totals, amounts, strict=True)]
        at = min(end, since + dt.timedelta(seconds=step))
        found.append(Point(at, *totals))
    if found[-1].at < end:
        found.append(Point(end, *totals))
    return found


def end(delivery: Delivery) -> dt.datetime:
    """Where the chart ends: now, or when the validity period was over and the last thing had happened that it shows."""
    now = timezone.now()
    if delivery.state not in ENDED or delivery.valid_until is None or delivery.valid_until >= now:
        return now
    late = Event.objects.filter(opened_month=delivery.opened_month, delivery=delivery, at__gte=delivery.valid_until)
    last = late.filter(kind__in=_SHOWN, is_automatic=False).aggregate(at=Max("at"))["at"]
    # What happened exactly at the end would not be counted.
    return min(now, last + dt.timedelta(seconds=1)) if last else delivery.valid_until


def lines(delivery: Delivery) -> dict[str, str]:
    """The lines of the chart and the columns of its table by their name in Point; what isn't tracked is not there."""
    found = {"sent": _("Sent"), "delivered": _("Delivered"), "failed": _("Bounces + errors")}
    if delivery.message.tracks_opens:
        found["opened"] = _("Opened")
    if delivery.message.tracks_clicks:
        found["clicked"] = _("Clicked")
    return found


def fragment(delivery: Delivery, points: Sequence[Point], span: str) -> dict[str, Any]:
    """The chart fragment: numbers for the drawing, names for its lines, and rows for the table."""
    here = reverse("delivery:chart", args=[delivery.public_id])
    names = lines(delivery)
    has_any = bool(points and points[-1].sent)
    return {
        "delivery": delivery,
        "removed": retention.sentence(delivery, "figures"),
        "rows": [(point.at, [getattr(point, name) for name in names]) for point in points] if has_any else [],
        "here": f"{here}?span={span}",
        "csv_url": f"{reverse('delivery:chart-csv', args=[delivery.public_id])}?span={span}",
        "every_ms": _EVERY_MS if delivery.state in RUNNING or delivery.started_at is None else _EVERY_MS * 4,
        "data": {
            "names": list(names),
            "labels": list(names.values()),
            "x": [round(point.at.timestamp()) for point in points],
            "series": [[getattr(point, name) for point in points] for name in names],
        },
        "spans": [
            {"label": label, "url": f"{here}?span={name}", "is_current": name == span}
            for name, label in (("1h", _("1 h")), ("24h", _("24 h")), ("all", _("All")))
        ],
    }


def table(delivery: Delivery, points: Sequence[Point]) -> Iterator[list[object]]:
    """The same as lines of a CSV file, with the names first."""
    names = lines(delivery)
    yield [_("Time"), *names.values()]
    for point in points:
        at = timezone.localtime(point.at).isoformat(timespec="seconds")
        yield [at, *(getattr(point, name) for name in names)]
