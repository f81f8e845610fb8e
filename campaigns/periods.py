"""Sends that are counted together, repeating ones and messages of calls: which period a send belongs to, and the sum of
a period's figures.

Each send stays one of its own, prepared and re-checked for its time; only what is shown is added up. People are counted
once for each send, so somebody who got three of them counts three times, as in the sends' own figures.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from campaigns import document as documents
from campaigns import schedules
from campaigns.models import CampaignSend
from delivery import sums
from lib import walltimes


@dataclass(frozen=True)
class Period:
    """`unit` is one of schedules.AGGREGATES; `first` its first day, in the zone of the campaign's calendar."""

    unit: str
    first: dt.date


@dataclass(frozen=True)
class Group:
    """Sends that are shown as one, newest first; `period` None for one that stands alone. `counted`: messages of calls
    that are in it too."""

    period: Period | None
    sends: Sequence[CampaignSend] = ()
    counted: sums.Month | None = None

    @property
    def n(self) -> int:
        return len(self.sends) + (self.counted.n if self.counted else 0)

    @property
    def newest(self) -> int:
        """The id of the newest delivery."""
        return max([*(one.delivery_id for one in self.sends[:1]), *([self.counted.newest] if self.counted else [])])


def of_send(send: CampaignSend) -> Period | None:
    """The period of a planned send, as sends.history gives it, by its own version; None when it stands alone.

    Messages of calls that are counted under the campaign are counted by month: there may be one for each call.
    """
    if send.delivery.part:
        return Period("month", _first("month", timezone.localdate(send.delivery.opened_at)))
    section: dict[str, Any] = documents.normalise({"delivery": send.section})["delivery"]  # type: ignore[attr-defined]
    unit = schedules.aggregate(section)
    if not unit or section["zone"] not in walltimes.zones():
        return None
    day = send.occurrence_at.astimezone(zoneinfo.ZoneInfo(section["zone"])).date()
    return Period(unit, _first(unit, day))


def _first(unit: str, day: dt.date) -> dt.date:
    if unit == "week":
        return day - dt.timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def group(sends: Iterable[CampaignSend], counted: Iterable[sums.Month] = ()) -> list[Group]:
    """`sends`, newest first, those of one period together at the place of the first of them, with the months of what is
    `counted` beside them."""
    groups: dict[object, list[CampaignSend]] = {}
    periods: dict[object, Period | None] = {}
    for send in sends:
        period = of_send(send)
        key = period or send.pk
        periods[key] = period
        groups.setdefault(key, []).append(send)
    months: dict[object, sums.Month] = {Period("month", one.first): one for one in counted}
    found = [Group(periods[key], together, months.pop(key, None)) for key, together in groups.items()]
    found += [Group(Period("month", one.first), counted=one) for one in months.values()]
    return sorted(found, key=lambda one: one.newest, reverse=True)


def words(period: Period) -> str:
    """ "November 2026", "Week of 23 November 2026", "25 November 2026", "2026"."""
    # Translators: date formats of Django.
    if period.unit == "year":
        return date_format(period.first, pgettext("date format", "Y"))
    if period.unit == "month":
        return date_format(period.first, pgettext("date format", "F Y"))
    day = date_format(period.first, _("j F Y"))
    return _("Week of %(day)s") % {"day": day} if period.unit == "week" else day


def parse(unit: str, first: str) -> Period | None:
    """The period of an address; None when there is no such one."""
    try:
        day = dt.date.fromisoformat(first)
    except ValueError:
        return None
    return Period(unit, day) if unit in schedules.AGGREGATES and _first(unit, day) == day else None
