"""Figures of several deliveries by UTC day, for programs that draw charts. Reads only.

What was handed over and came back counts on the day of its hand-over, as DomainDay has it, at most an hour old. Opens
and clicks count on the day they happened, those by machines apart; a person is a unique opener of a message on the day
of the first one. So sums over all days are the figures of the panel, as far as both are of the same moment.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Sum
from django.utils import timezone

from delivery import domain_days, rollups
from delivery.models import Delivery, DomainDay, TriggerRequest

_EVENTS = """
WITH seen AS (
    SELECT e.kind, (e.at AT TIME ZONE 'UTC')::date AS day,
           row_number() OVER (PARTITION BY e.delivery_id, e.request_no, e.profile_id, e.kind ORDER BY e.at, e.id) AS no
    FROM delivery_event e
    JOIN delivery_sendlog l ON l.opened_month = e.opened_month AND l.delivery_id = e.delivery_id
        AND l.request_no = e.request_no AND l.profile_id = e.profile_id AND l.outcome = 'sent'
    WHERE e.opened_month = ANY(%(months)s) AND e.delivery_id = ANY(%(ids)s)
        AND e.kind IN ('opened', 'clicked') AND NOT e.is_automatic AND e.at < %(end)s {events}
)
SELECT day, count(*) FILTER (WHERE kind = 'opened'), count(*) FILTER (WHERE kind = 'opened' AND no = 1),
       count(*) FILTER (WHERE kind = 'clicked'), count(*) FILTER (WHERE kind = 'clicked' AND no = 1)
FROM seen WHERE day >= %(first)s GROUP BY day
"""
_PEOPLE = """
SELECT (at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT profile_id) FROM delivery_sendlog
WHERE opened_month = ANY(%(months)s) AND delivery_id = ANY(%(ids)s) AND outcome IN ('sent', 'failed')
    AND at >= %(begin)s AND at < %(end)s {log} GROUP BY 1
"""


@dataclass(frozen=True)
class Day:
    """One UTC day. `people` had something handed over for them, each counted once."""

    day: dt.date
    sent: int = 0
    delivered: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    opened: int = 0
    unique_opened: int = 0
    clicked: int = 0
    unique_clicked: int = 0
    people: int = 0


@dataclass(frozen=True)
class Series:
    """Every day from the first to the last, in order. `counted_at`: when the oldest part was counted; None: nothing."""

    days: tuple[Day, ...]
    counted_at: dt.datetime | None


_BY_HANDOVER = ("sent", "delivered", "bounced", "complained", "unsubscribed")


# The numbers of the requests that came under one send id.
_WANTED = """SELECT id FROM delivery_triggerrequest
    WHERE origin_kind = %(kind)s AND origin_id = %(origin)s AND send_id = %(send_id)s"""


def of_send_id(origin: tuple[str, str], send_id: str, *, last: dt.date, n_days: int) -> Series:
    """The same for what was asked for under one send id, counted now; `origin` as in Delivery."""
    first = last - dt.timedelta(days=n_days - 1)
    names = {"kind": origin[0], "origin": origin[1], "send_id": send_id}
    asked = TriggerRequest.objects.filter(origin_kind=origin[0], origin_id=origin[1], send_id=send_id)
    ids = asked.filter(delivery__isnull=False).values("delivery_id")
    deliveries = list(Delivery.objects.filter(pk__in=ids).only("id", "opened_month").order_by("pk"))
    found: dict[dt.date, dict[str, int]] = {}
    for delivery in deliveries:
        for day, sums in domain_days.of_requests(delivery.pk, _WANTED, names).items():
            if first <= day <= last:
                sent, delivered, hard, soft, complained, unsubscribed = sums
                figures = (sent, delivered, hard + soft, complained, unsubscribed)
                had = found.setdefault(day, dict.fromkeys(_BY_HANDOVER, 0))
                for name, figure in zip(_BY_HANDOVER, figures, strict=True):
                    had[name] += figure
    for day, counts in _from_log(deliveries, first, last, names).items():
        found.setdefault(day, {}).update(counts)
    days = (first + dt.timedelta(days=number) for number in range(n_days))
    return Series(tuple(Day(day, **found.get(day, {})) for day in days), timezone.now())


def series(deliveries: Sequence[Delivery], *, last: dt.date, n_days: int) -> Series:
    """The `n_days` days that end with `last`. Four queries, whatever the number of deliveries."""
    first = last - dt.timedelta(days=n_days - 1)
    ids = [one.pk for one in deliveries]
    handed = DomainDay.objects.filter(delivery_id__in=ids, day__range=(first, last))
    bounced = Sum("n_hard") + Sum("n_soft")
    sums = (Sum("n_sent"), Sum("n_delivered"), bounced, Sum("n_complained"), Sum("n_unsubscribed"))
    by_day = handed.values("day").order_by().annotate(**dict(zip(_BY_HANDOVER, sums, strict=True)))
    rows = by_day.values_list("day", *_BY_HANDOVER)
    found: dict[dt.date, dict[str, int]] = {day: dict(zip(_BY_HANDOVER, rest, strict=True)) for day, *rest in rows}
    for day, figures in _from_log(deliveries, first, last).items():
        found.setdefault(day, {}).update(figures)
    days = (first + dt.timedelta(days=number) for number in range(n_days))
    counted = handed.values("delivery_id").annotate(at=Max("computed_at")).values_list("at", flat=True)
    return Series(tuple(Day(day, **found.get(day, {})) for day in days), min(counted, default=None))


def _from_log(
    deliveries: Sequence[Delivery], first: dt.date, last: dt.date, asked: Mapping[str, str] | None = None
) -> dict[dt.date, dict[str, int]]:
    """Opens, clicks and people by day; of the requests of _WANTED where `asked` says which."""
    begin = dt.datetime.combine(first, dt.time.min, dt.UTC)
    values: dict[str, Any] = {
        "ids": [one.pk for one in deliveries],
        "months": sorted({one.opened_month for one in deliveries}),
        "first": first,
        "begin": begin,
        "end": dt.datetime.combine(last, dt.time.min, dt.UTC) + dt.timedelta(days=1),
        **(asked or {}),
    }
    events, log = (f"AND {table}.request_no IN ({_WANTED})" if asked else "" for table in ("e", "delivery_sendlog"))
    found: dict[dt.date, dict[str, int]] = {}
    with rollups.reading() as cursor:
        cursor.execute(_EVENTS.format(events=events), values)
        for day, *counts in cursor.fetchall():
            names = ("opened", "unique_opened", "clicked", "unique_clicked")
            found[day] = dict(zip(names, counts, strict=True))
        cursor.execute(_PEOPLE.format(log=log), values)
        for day, n_people in cursor.fetchall():
            found.setdefault(day, {})["people"] = n_people
    return found
