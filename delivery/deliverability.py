"""How mail arrives, over all sends of the last days: shares with their thresholds, by day and by recipients' domain.

Reads only DomainDay, so a page costs the same for a thousand messages and for a hundred million. Days are UTC days of
the hand-over: a complaint of today about a message of Monday is Monday's.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from delivery import alert_settings, alerting, origins
from delivery.alert_settings import Limits
from delivery.models import Criterion, DomainDay, SentAlert
from delivery.shares import Rate, Threshold

SPANS = (7, 30, 90)
_MOST_DOMAINS = 20
_MOST_ALERTS = 50
_ALERT_DAYS = 30
_NAMES = ("n_sent", "n_delivered", "n_hard", "n_soft", "n_complained", "n_unsubscribed")


@dataclass(frozen=True)
class Row:
    """The figures of one domain, one day or everything. `name` is a domain or "" for all others together."""

    name: str
    n_sent: int
    delivered: Rate
    hard: Rate
    soft: Rate
    complaints: Rate
    unsubscribed: Rate


@dataclass(frozen=True)
class Day:
    date: dt.date
    n_sent: int
    complaints: Rate


@dataclass(frozen=True)
class Alert:
    at: dt.datetime
    label: str
    criterion: str
    sentence: str
    url: str
    n_people: int


@dataclass(frozen=True)
class Report:
    """`domains`: the largest, then all others in one row; `days` without a gap, oldest first."""

    total: Row
    domains: list[Row]
    days: list[Day]
    limits: Limits
    computed_at: dt.datetime | None


def report(n_days: int) -> Report:
    """The last `n_days` UTC days, today included. Four queries."""
    limits = alert_settings.limits()
    today = timezone.now().astimezone(dt.UTC).date()
    since = today - dt.timedelta(days=n_days - 1)
    rows = DomainDay.objects.filter(day__gte=since).order_by()
    by_day = {row["day"]: row for row in _sums(rows.values("day"))}
    totals = {name: sum(row[name] for row in by_day.values()) for name in _NAMES}
    computed_at = rows.aggregate(at=Max("computed_at"))["at"]
    named = rows.exclude(domain="").values("domain")
    largest = list(_sums(named).order_by("-n_sent", "domain")[:_MOST_DOMAINS])
    rest = {name: totals[name] - sum(row[name] for row in largest) for name in _NAMES}
    domains = [_row(row["domain"], row, limits) for row in largest]
    if rest["n_sent"]:
        domains.append(_row("", rest, limits))
    dates = [since + dt.timedelta(days=i) for i in range(n_days)]
    return Report(
        total=_row("", totals, limits),
        domains=domains,
        days=[_day(date, by_day.get(date, dict.fromkeys(_NAMES, 0)), limits) for date in dates],
        limits=limits,
        computed_at=computed_at,
    )


def alerts() -> list[Alert]:
    """What people were told by mail in the last 30 days, newest first. One query."""
    since = timezone.now() - dt.timedelta(days=_ALERT_DAYS)
    rows = SentAlert.objects.filter(at__gte=since).select_related("delivery").order_by("-at", "-pk")[:_MOST_ALERTS]
    return [
        Alert(
            at=row.at,
            label=row.delivery.label,
            criterion=str(row.get_criterion_display()),
            sentence=alerting.sentence(row.criterion, row.figures),
            url=origins.url(row.delivery),
            n_people=row.n_people,
        )
        for row in rows
    ]


def _sums(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    summed: QuerySet[Any, Any] = rows.annotate(**{name: Sum(name) for name in _NAMES})
    return summed


def _row(name: str, sums: dict[str, Any], limits: Limits) -> Row:
    sent, delivered = sums["n_sent"], sums["n_delivered"]
    return Row(
        name=name,
        n_sent=sent,
        delivered=Rate(delivered, sent),
        hard=Rate(sums["n_hard"], sent, (Threshold(limits.shares[Criterion.HARD], "err"),)),
        soft=Rate(sums["n_soft"], sent, (Threshold(limits.shares[Criterion.SOFT], "warn"),)),
        complaints=Rate(sums["n_complained"], delivered, complaint_thresholds(limits)),
        unsubscribed=Rate(sums["n_unsubscribed"], delivered),
    )


def _day(date: dt.date, sums: dict[str, Any], limits: Limits) -> Day:
    return Day(date, sums["n_sent"], Rate(sums["n_complained"], sums["n_delivered"], complaint_thresholds(limits)))


def complaint_thresholds(limits: Limits) -> tuple[Threshold, Threshold]:
    """Where people are warned, and where it is an error and an alert."""
    return Threshold(limits.complaints_warn, "warn"), Threshold(limits.shares[Criterion.COMPLAINTS], "err")


def other_domains() -> str:
    return _("Other domains")
