"""How a repeating campaign repeats, in words: the rhythm, and the next planned times."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from campaigns import occurrences

# How many planned times are named.
SHOWN = 3
_MONDAY = dt.date(2024, 1, 1)


def words(section: Mapping[str, Any]) -> str:
    """ "every Monday at 09:00 Paris time"; "" while the calendar is not complete."""
    plan = occurrences.calendar(section)
    if plan is None:
        return ""
    parts = {"days": every(plan), "time": f"{plan.time:%H:%M}", "place": place(plan.zone)}
    rhythm = _("%(days)s at %(time)s %(place)s time") % parts
    if plan.until is not None:
        return _("%(rhythm)s until %(date)s") % {"rhythm": rhythm, "date": date_format(plan.until, _("j F Y"))}
    if plan.count is not None:
        n = number_format(plan.count, force_grouping=True)
        return ngettext("%(rhythm)s, %(n)s time in all", "%(rhythm)s, %(n)s times in all", plan.count) % {
            "rhythm": rhythm,
            "n": n,
        }
    return rhythm


def every(plan: occurrences.Calendar) -> str:
    """ "every day", "every Monday and Thursday", "every 2 months on day 31, or the last day of shorter months"."""
    n = {"n": plan.every}
    if plan.unit == "day":
        return ngettext("every day", "every %(n)d days", plan.every) % n
    if plan.unit == "week":
        days = {"days": _listed([date_format(_MONDAY + dt.timedelta(days=one), "l") for one in plan.weekdays])}
        return ngettext("every %(days)s", "every %(n)d weeks on %(days)s", plan.every) % (n | days)
    day = {"day": plan.month_day}
    if plan.month_day > 28:
        text = ngettext(
            "every month on day %(day)d, or the last day of shorter months",
            "every %(n)d months on day %(day)d, or the last day of shorter months",
            plan.every,
        )
    else:
        text = ngettext("every month on day %(day)d", "every %(n)d months on day %(day)d", plan.every)
    return text % (n | day)


def upcoming(section: Mapping[str, Any], *, now: dt.datetime, reader_zone: str = "") -> list[str] | None:
    """The next planned times in words, at most three, in the reader's own zone too where it differs; None while the
    calendar is not complete."""
    plan = occurrences.calendar(section)
    if plan is None:
        return None
    return [
        moment(one.at, plan.zone, reader_zone=reader_zone) for one in islice(occurrences.following(plan, now), SHOWN)
    ]


def moment(at: dt.datetime, zone: str, *, reader_zone: str = "") -> str:
    """ "Mon 24 Nov 09:00", and "(03:00 your time)" where the reader's clock shows something else."""
    there = at.astimezone(zoneinfo.ZoneInfo(zone))
    text = date_format(there, pgettext("date format", "D j M H:i"))
    if not reader_zone or reader_zone == zone:
        return text
    here = timezone.localtime(at, zoneinfo.ZoneInfo(reader_zone))
    if here.replace(tzinfo=None) == there.replace(tzinfo=None):
        return text
    same_day = here.date() == there.date()
    mine = date_format(here, "H:i" if same_day else pgettext("date format", "D j M H:i"))
    return _("%(text)s (%(time)s your time)") % {"text": text, "time": mine}


def clock(at: dt.datetime, zone: str) -> str:
    """ "09:00": what the clock in `zone` shows at `at`."""
    return date_format(at.astimezone(zoneinfo.ZoneInfo(zone)), "H:i")


def place(zone: str) -> str:
    """ "Europe/Paris" → "Paris"."""
    return zone.rsplit("/", 1)[-1].replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    return _("%(names)s and %(last)s") % {"names": ", ".join(names[:-1]), "last": names[-1]}
