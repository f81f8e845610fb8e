"""When a repeating campaign sends: its calendar out of a delivery section, and the times that follow an instant.

Pure. A day of the calendar is a date in its zone; walltimes.resolve says what daylight saving does to the wall time:
one that doesn't exist moves to the next that does, one that exists twice is used once, the first time.
"""

import calendar as months
import datetime as dt
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from lib import walltimes

UNITS = ("day", "week", "month")
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ENDS = ("never", "on", "after")
# Bounds of what may be typed: units between two sends, sends in all, the day of a month.
EVERY, COUNT, MONTH_DAY = (1, 366), (1, 1000), (1, 31)
# A send that somebody must confirm is prepared this long before its time.
LEAD = dt.timedelta(hours=4)
# No zone is further than this from UTC, so an instant's date in any zone is at most this far away.
_ZONE = dt.timedelta(days=2)


@dataclass(frozen=True)
class Occurrence:
    """One planned send: the instant, and the wall time in the calendar's zone that is really used. `quirk` as in
    walltimes.Moment; `is_moved` when the month is too short for the chosen day, so that it is the month's last."""

    at: dt.datetime
    shown: dt.datetime
    quirk: str = ""
    is_moved: bool = False


@dataclass(frozen=True)
class Calendar:
    """A repeating schedule. `weekdays` are 0 (Monday) to 6, used by weeks; `month_day` 1 to 31, by months; `until` is
    the last date, included; `count` the number of sends in all from `start` on, sent or not."""

    every: int
    unit: str
    weekdays: tuple[int, ...]
    month_day: int
    start: dt.date
    time: dt.time
    zone: str
    until: dt.date | None = None
    count: int | None = None


def calendar(section: Mapping[str, Any]) -> Calendar | None:
    """The calendar of a delivery section of kind "repeat"; None while something is missing or unreadable."""
    start, time = date_of(section["repeat_from"]), time_of(section["time"])
    every, ends = section["repeat_every"], section["repeat_ends"]
    until = date_of(section["repeat_until"]) if ends == "on" else None
    count = section["repeat_count"] if ends == "after" else None
    month_day = section["repeat_month_day"] or (start.day if start else 1)
    is_readable = (
        start is not None
        and time is not None
        and section["zone"] in walltimes.zones()
        and section["repeat_unit"] in UNITS
        and set(section["repeat_weekdays"]) <= set(WEEKDAYS)
        and ends in ENDS
        and (ends != "on" or until is not None)
        and (ends != "after" or is_within(count, COUNT))
        and is_within(every, EVERY)
        and is_within(month_day, MONTH_DAY)
    )
    if not is_readable:
        return None
    assert start is not None and time is not None
    days = sorted(WEEKDAYS.index(day) for day in section["repeat_weekdays"]) or [start.weekday()]
    unit, zone = section["repeat_unit"], section["zone"]
    return Calendar(every, unit, tuple(days), month_day, start, time, zone, until, count)


def following(plan: Calendar, instant: dt.datetime) -> Iterator[Occurrence]:
    """The occurrences after `instant` (not at it), in order; without an end as many as are asked for."""
    # Counted sends are counted from the first on; others begin near the instant, however long ago the first was.
    low = plan.start if plan.count is not None else max(plan.start, instant.date() - _ZONE)
    for date in islice(_dates(plan, low), plan.count):
        if plan.until is not None and date > plan.until:
            return
        if date < instant.date() - _ZONE:
            continue
        moment = walltimes.resolve(dt.datetime.combine(date, plan.time), plan.zone)
        if moment.at > instant:
            is_moved = plan.unit == "month" and date.day != plan.month_day
            yield Occurrence(moment.at, moment.shown, moment.quirk, is_moved)


def after(plan: Calendar, instant: dt.datetime, *, limit: int) -> list[Occurrence]:
    """The next `limit` occurrences after `instant`; fewer when it ends."""
    return list(islice(following(plan, instant), limit))


def between(plan: Calendar, low: dt.datetime, high: dt.datetime) -> list[Occurrence]:
    """The occurrences after `low` up to and including `high`."""
    found = []
    for one in following(plan, low):
        if one.at > high:
            break
        found.append(one)
    return found


def has(plan: Calendar, at: dt.datetime) -> bool:
    """Whether `at` is one of the occurrences, to the second."""
    return any(one.at == at for one in between(plan, at - dt.timedelta(seconds=1), at))


def shortest_gap(plan: Calendar, instant: dt.datetime) -> dt.timedelta | None:
    """The shortest time between two sends in the four years after `instant`; None when fewer than two are left."""
    times = [one.at for one in between(plan, instant, instant + dt.timedelta(days=4 * 366))]
    return min((later - earlier for earlier, later in pairwise(times)), default=None)


def date_of(text: object) -> dt.date | None:
    """ "2026-11-24" as a date; None for anything else, and for dates no calendar reaches."""
    try:
        found = dt.date.fromisoformat(str(text))
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def time_of(text: object) -> dt.time | None:
    """ "09:00" as a time of day; None for anything else."""
    try:
        found = dt.time.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is None else None


def is_within(value: object, bounds: tuple[int, int]) -> bool:
    """Whether `value` is a whole number from the first bound to the second."""
    return isinstance(value, int) and bounds[0] <= value <= bounds[1]


def today(zone: str, now: dt.datetime) -> dt.date:
    """The date at `now` in `zone`; in UTC where there is no such zone."""
    known = zone if zone in walltimes.zones() else "UTC"
    return now.astimezone(zoneinfo.ZoneInfo(known)).date()


def _dates(plan: Calendar, low: dt.date) -> Iterator[dt.date]:
    """The dates of the calendar from about `low` on, never before its start; some may lie before `low`."""
    if plan.unit == "day":
        first = max(0, (low - plan.start).days) // plan.every
        yield from (plan.start + dt.timedelta(days=plan.every * n) for n in _counting(first))
    elif plan.unit == "week":
        yield from _weeks(plan, low)
    else:
        yield from _months(plan, low)


def _weeks(plan: Calendar, low: dt.date) -> Iterator[dt.date]:
    """Every n weeks counts from the week (Monday to Sunday) of the start."""
    monday = plan.start - dt.timedelta(days=plan.start.weekday())
    for n in _counting(max(0, (low - monday).days) // 7 // plan.every):
        for weekday in plan.weekdays:
            date = monday + dt.timedelta(days=7 * plan.every * n + weekday)
            if date >= plan.start:
                yield date


def _months(plan: Calendar, low: dt.date) -> Iterator[dt.date]:
    """The chosen day of every n-th month; the last day where a month is too short."""
    start = plan.start.year * 12 + plan.start.month - 1
    for n in _counting(max(0, low.year * 12 + low.month - 1 - start) // plan.every):
        year, month = divmod(start + plan.every * n, 12)
        date = dt.date(year, month + 1, min(plan.month_day, months.monthrange(year, month + 1)[1]))
        if date >= plan.start:
            yield date


def _counting(first: int) -> Iterator[int]:
    """`first`, `first` + 1, … for longer than anybody plans; ends before dates do."""
    return iter(range(first, first + 2000))
