"""What the log pages show in groups: links, the chart over time, who did what. Reads only; see also `failures`."""

import datetime as dt
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from redis.exceptions import RedisError

from accounts import audit
from delivery import rollups
from delivery.models import Delivery

# Seconds a chart is kept: counting over a whole log is too much for every look.
_CHART_TTL_S = 15
_CHART_SMALL_TTL_S = 2
_POINTS = 120
# A chart's steps in seconds; the first that needs at most _POINTS points is taken.
_STEPS_S = (1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600)


@dataclass(frozen=True)
class Link:
    number: int
    url: str
    n_people: int
    n_clicks: int
    # Of all people who clicked anything; a share of 1.
    share: float


@dataclass(frozen=True)
class Activity:
    at: dt.datetime
    who: str
    what: str
    detail: str
    tone: str


@dataclass(frozen=True)
class Point:
    """Running totals at one moment."""

    at: dt.datetime
    sent: int
    failed: int
    opened: int
    clicked: int


_LINKS = """
SELECT link_no, count(DISTINCT (request_no, profile_id)), count(*)
FROM delivery_event
WHERE opened_month = %s AND delivery_id = %s AND kind = 'clicked' AND NOT is_automatic AND link_no IS NOT NULL
GROUP BY link_no
"""


def links(of: Delivery) -> list[Link]:
    """Every tracked link of the message, the most clicked first; links nobody clicked are there with 0."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [of.opened_month, of.pk])
        counts = {number: (people, clicks) for number, people, clicks in cursor.fetchall()}
    total = sum(clicks for _people, clicks in counts.values())
    found = []
    for number, url in enumerate(of.message.links):
        people, clicks = counts.get(number, (0, 0))
        found.append(Link(number, url, people, clicks, clicks / total if total else 0.0))
    return sorted(found, key=lambda link: (-link.n_people, -link.n_clicks, link.number))


_ACTIONS = {
    "delivery.opened": pgettext_lazy("send", "Opened"),
    "delivery.preparing": gettext_lazy("Started preparing"),
    "delivery.preparation_aborted": gettext_lazy("Stopped preparing"),
    "delivery.prepared": gettext_lazy("Prepared"),
    "delivery.failed": gettext_lazy("Preparation failed"),
    "delivery.confirmed": gettext_lazy("Confirmed"),
    "delivery.cancelled": gettext_lazy("Cancelled the send"),
    "delivery.started": gettext_lazy("Started sending"),
    "delivery.missed": gettext_lazy("Missed its start"),
    "delivery.paused": gettext_lazy("Paused"),
    "delivery.resumed": gettext_lazy("Resumed"),
    "delivery.stopped": gettext_lazy("Stopped"),
    "delivery.finished": gettext_lazy("Finished"),
    "delivery.discarded": gettext_lazy("Discarded"),
}
_TONES = {"delivery.failed": "err", "delivery.missed": "err", "delivery.paused": "warn", "delivery.stopped": "warn"}


def activity(of: Delivery) -> list[Activity]:
    """Who did what to this delivery, newest first."""
    return [
        Activity(
            at=entry.at,
            who=str(entry.actor or _("Chappe")),
            what=str(_ACTIONS.get(entry.action, entry.action)),
            detail=str(entry.detail.get("trouble") or entry.detail.get("failure") or ""),
            tone=_TONES.get(entry.action, ""),
        )
        for entry in audit.timeline("delivery", str(of.public_id))
    ]


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


def chart(of: Delivery, *, until: dt.datetime, span: dt.timedelta | None = None) -> list[Point]:
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
        points: list[Point] | None = cache.get(key)
        if points is None:
            points = _points(of, end, step)
            is_small = (of.n_to_send or 0) < rollups.SMALL
            cache.set(key, points, timeout=_CHART_SMALL_TTL_S if is_small else _CHART_TTL_S)
    except RedisError:
        return _points(of, end, step)
    return points


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
