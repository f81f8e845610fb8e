"""What the log pages show in groups: links, failures by reason, the chart over time. Reads only."""

import datetime as dt
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from redis.exceptions import RedisError

from delivery import logs, rollups
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
class Failure:
    reason: str
    kind: str
    n: int
    share: float
    example: str
    advice: str


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


def links(of: Delivery, *, search: str = "") -> list[Link]:
    """Tracked links of the message with `search` in their address, the most clicked first; links nobody clicked are
    there with 0. Shares are of all clicks."""
    with connection.cursor() as cursor:
        cursor.execute(_LINKS, [of.opened_month, of.pk])
        counts = {number: (people, clicks) for number, people, clicks in cursor.fetchall()}
    total = sum(clicks for _people, clicks in counts.values())
    found = []
    for number, url in enumerate(of.message.links):
        people, clicks = counts.get(number, (0, 0))
        found.append(Link(number, url, people, clicks, clicks / total if total else 0.0))
    found = [link for link in found if search.lower() in link.url.lower()]
    return sorted(found, key=lambda link: (-link.n_people, -link.n_clicks, link.number))


_FAILURES = """
SELECT code, is_event, count(*), min(detail) FROM (
    SELECT code, false AS is_event, detail
    FROM delivery_sendlog l WHERE opened_month = %(month)s AND delivery_id = %(id)s AND outcome = 'failed'
      AND (%(at)s = '' OR lower(address) LIKE %(at)s)
    UNION ALL
    SELECT DISTINCT ON (request_no, profile_id) split_part(detail, ' ', 1), true, detail
    FROM delivery_event e WHERE opened_month = %(month)s AND delivery_id = %(id)s AND kind = 'bounced'
      AND (%(at)s = '' OR EXISTS (SELECT 1 FROM delivery_sendlog l
           WHERE l.opened_month = e.opened_month AND l.delivery_id = e.delivery_id AND l.request_no = e.request_no
             AND l.profile_id = e.profile_id AND lower(l.address) LIKE %(at)s))
) AS failures
GROUP BY code, is_event ORDER BY count(*) DESC LIMIT 100
"""

_HARD, _SOFT = gettext_lazy("Hard"), gettext_lazy("Soft")
# By enhanced status code (RFC 3463), the longest prefix first: what it means, and what to do.
_MEANINGS = (
    ("5.1.1", gettext_lazy("Unknown user"), gettext_lazy("The mailbox doesn't exist. Remove or correct the address.")),
    ("5.1", gettext_lazy("Bad address"), gettext_lazy("Correct the address.")),
    ("5.2.1", gettext_lazy("Mailbox disabled"), gettext_lazy("The mailbox is closed. Remove the address.")),
    ("5.2.2", gettext_lazy("Mailbox full"), gettext_lazy("Try again in a few weeks.")),
    (
        "5.7",
        gettext_lazy("Refused by policy"),
        gettext_lazy("Look at the answer: content, reputation or authentication."),
    ),
    ("4.2.2", gettext_lazy("Mailbox full"), gettext_lazy("Temporary. It is tried again until the validity ends.")),
    ("4.7", gettext_lazy("Slowed by the provider"), gettext_lazy("Temporary. Send slower if it goes on.")),
    ("5", gettext_lazy("Refused"), gettext_lazy("Look at the answer of the mail server.")),
    ("4", gettext_lazy("Temporary failure"), gettext_lazy("It is tried again until the validity period ends.")),
)


def failures(of: Delivery, *, domain: str = "", search: str = "") -> list[Failure]:
    """Refusals at hand-over and bounces at `domain`, by code, the most frequent first; those with `search` in their
    words. Shares are of all at that domain."""
    with connection.cursor() as cursor:
        cursor.execute(_FAILURES, {"month": of.opened_month, "id": of.pk, "at": logs.at_domain(domain)})
        rows = cursor.fetchall()
    total = sum(n for _code, _event, n, _detail in rows)
    found = [_failure(code, n, n / total, detail) for code, _is_event, n, detail in rows]
    return [one for one in found if search.lower() in f"{one.reason} {one.example}".lower()]


def _failure(code: str, n: int, share: float, example: str) -> Failure:
    enhanced = code.split(" ")[-1]
    for prefix, reason, advice in _MEANINGS:
        if enhanced.startswith(prefix):
            kind = _SOFT if prefix.startswith("4") else _HARD
            return Failure(f"{reason} ({code})", str(kind), n, share, example, str(advice))
    return Failure(code or _("No code"), "", n, share, example, _("Look at the answer of the mail server."))


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
