"""Whether the Delivery and Tracking steps can be used as they are. Pure, but for who is asked about their rights.

Part of campaigns.alerts, which has the catalogue's other steps and the order.
"""

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _

from accounts import roles
from accounts.models import User
from campaigns import occurrences, rhythms, schedules, spreads, summaries
from lib import walltimes

ERROR, WARNING = "error", "warning"
# Bounds of what may be typed: one hour to two weeks of retrying, messages a minute, time until re-eligible.
_VALIDITY_HOURS = (1, 336)
_RATE = (1, 10_000_000)
_REELIGIBLE = (1, 3650)
# Thirty days at the most.
_CONVERSION = {"hours": (1, 720), "days": (1, 30)}
_HOUR_S, _DAY_S = 3_600, 86_400
_EVENT = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True)
class Alert:
    """`id` is the code of the catalogue; several alerts may share it (three broken lines)."""

    id: str
    level: str
    message: str
    step: str
    field: str
    line: int | None = None


def delivery(section: Mapping[str, Any], *, by: User | None = None) -> Iterator[Alert]:
    """Alerts of the Delivery step; with `by`, also that this person may not publish it."""
    if section["kind"] == "at":
        yield from _schedule(section)
    elif section["kind"] == "repeat":
        yield from _repeat(section)
        yield from _unasked(section, by)
    elif section["kind"] not in {"once", "api"}:
        yield Alert("kind_unknown", ERROR, _("Choose when it is sent."), "delivery", "delivery.kind")
    if section["kind"] != "api":
        yield from _spread(section)
    yield from _whole(section, "delivery", "validity_hours", _VALIDITY_HOURS)
    yield from _whole(section, "delivery", "rate_per_minute", _RATE, is_needed=False)
    if section["reeligibility"] == "after":
        yield from _whole(section, "delivery", "reeligible_after", _REELIGIBLE)
    if section["reeligibility"] not in {"never", "after", "always"} or section["reeligible_unit"] not in {
        "hours",
        "days",
    }:
        yield Alert(
            "reeligibility_unknown", ERROR, _("Choose who can get it again."), "delivery", "delivery.reeligibility"
        )


def tracking(section: Mapping[str, Any]) -> Iterator[Alert]:
    """Alerts of the Tracking step."""
    for key in ("conversion", "conversion2"):
        name = section[f"{key}_event"].strip()
        if not name:
            continue
        if not _EVENT.fullmatch(name):
            message = _("Use letters, digits, _ . and - only, at most 60 characters.")
            yield Alert("event_invalid", ERROR, message, "tracking", f"tracking.{key}_event")
        unit = section[f"{key}_unit"]
        if unit not in _CONVERSION:
            yield Alert("unit_unknown", ERROR, _("Choose hours or days."), "tracking", f"tracking.{key}_within")
        else:
            yield from _whole(section, "tracking", f"{key}_within", _CONVERSION[unit])
    first, second = (section[f"{key}_event"].strip() for key in ("conversion", "conversion2"))
    if first and first == second:
        message = _("The second conversion is the same as the first. Choose another event or remove it.")
        yield Alert("conversion_twice", ERROR, message, "tracking", "tracking.conversion2_event")


def _repeat(section: Mapping[str, Any]) -> Iterator[Alert]:
    found = [*_calendar(section)]
    if section["aggregate"] and section["aggregate"] not in schedules.AGGREGATES:
        message = _("Choose which sends are counted together.")
        found.append(Alert("aggregate_unknown", ERROR, message, "delivery", "delivery.aggregate"))
    if schedules.asks(section):
        found += _whole(section, "delivery", "confirm_within_hours", schedules.CONFIRM_WITHIN_HOURS)
        if section["if_unconfirmed"] not in {"skip", "send"}:
            message = _("Choose what happens when nobody confirms.")
            found.append(Alert("unconfirmed_unknown", ERROR, message, "delivery", "delivery.if_unconfirmed"))
    yield from found
    plan = occurrences.calendar(section)
    if plan is None:
        if not any(alert.level == ERROR for alert in found):
            yield Alert("repeat_unreadable", ERROR, _("Choose how it repeats."), "delivery", "delivery.repeat_every")
        return
    now = timezone.now()
    if not occurrences.after(plan, now, limit=1):
        message = _("The last send time has passed. Choose a later end.")
        yield Alert("schedule_past", ERROR, message, "delivery", "delivery.repeat_ends")
        return
    yield from _moved_times(plan, now)
    yield from _eligibility_gap(section, plan, now)


def _calendar(section: Mapping[str, Any]) -> Iterator[Alert]:
    """What is missing or unreadable in the calendar."""
    yield from _whole(section, "delivery", "repeat_every", occurrences.EVERY)
    if section["repeat_unit"] not in occurrences.UNITS:
        yield Alert("unit_unknown", ERROR, _("Choose days, weeks or months."), "delivery", "delivery.repeat_unit")
    if not set(section["repeat_weekdays"]) <= set(occurrences.WEEKDAYS):
        yield Alert("weekday_unknown", ERROR, _("Choose days of the week."), "delivery", "delivery.repeat_weekdays")
    yield from _whole(section, "delivery", "repeat_month_day", occurrences.MONTH_DAY, is_needed=False)
    if occurrences.date_of(section["repeat_from"]) is None:
        message = _("Choose the day from which it repeats.")
        yield Alert("repeat_from_missing", ERROR, message, "delivery", "delivery.repeat_from")
    if occurrences.time_of(section["time"]) is None:
        yield Alert("schedule_missing", ERROR, _("Choose a time."), "delivery", "delivery.time")
    if section["zone"] not in walltimes.zones():
        yield Alert("zone_unknown", ERROR, _("Choose a time zone."), "delivery", "delivery.zone")
    if section["repeat_ends"] not in occurrences.ENDS:
        yield Alert("ends_unknown", ERROR, _("Choose when it ends."), "delivery", "delivery.repeat_ends")
    if section["repeat_ends"] == "on" and occurrences.date_of(section["repeat_until"]) is None:
        yield Alert("repeat_until_missing", ERROR, _("Choose the last day."), "delivery", "delivery.repeat_until")
    if section["repeat_ends"] == "after":
        yield from _whole(section, "delivery", "repeat_count", occurrences.COUNT)


def _moved_times(plan: occurrences.Calendar, now: dt.datetime) -> Iterator[Alert]:
    """The first planned time of the coming year that daylight saving skips or repeats."""
    coming = occurrences.between(plan, now, now + dt.timedelta(days=366))
    moved = next((one for one in coming if one.quirk), None)
    if moved is not None:
        moment = walltimes.Moment(moved.at, plan.zone, moved.quirk, moved.shown)
        message = _quirk(f"{plan.time:%H:%M}", moved.shown.date(), moment)
        yield Alert(f"schedule_{moved.quirk}", WARNING, message, "delivery", "delivery.time")


def _eligibility_gap(section: Mapping[str, Any], plan: occurrences.Calendar, now: dt.datetime) -> Iterator[Alert]:
    """People who must wait about as long as two sends are apart are skipped every now and then: waiting counts from the
    minute they got it, and a send to confirm chooses its people hours before its time."""
    gap, wait, unit = occurrences.shortest_gap(plan, now), section["reeligible_after"], section["reeligible_unit"]
    if section["reeligibility"] != "after" or not occurrences.is_within(wait, _REELIGIBLE) or gap is None:
        return
    ahead = occurrences.LEAD if schedules.asks(section) else dt.timedelta(0)
    most_s = int((gap - ahead).total_seconds()) - 1
    if wait * (_DAY_S if unit == "days" else _HOUR_S) <= most_s:
        return
    parts = {"every": rhythms.every(plan), "time": summaries.span(wait, unit)}
    sentence = _("Sends %(every)s, but people wait %(time)s. Some will be skipped.") % parts
    most = summaries.span(most_s // _DAY_S, "days") if most_s >= _DAY_S else summaries.span(most_s // _HOUR_S, "hours")
    advice = _("Use %(time)s or less.") % {"time": most}
    yield Alert("eligibility_gap", WARNING, f"{sentence} {advice}", "delivery", "delivery.reeligible_after")


def _spread(section: Mapping[str, Any]) -> Iterator[Alert]:
    if section["spread"] not in spreads.SPREADS:
        yield Alert("spread_unknown", ERROR, _("Choose who gets it when."), "delivery", "delivery.spread")
    elif section["spread"] == "waves":
        yield from _waves(section)
    elif section["spread"] == "local" and section["kind"] != "at":
        message = _("Local times need a date and a time. Choose “At a date and time”, or everyone at once.")
        yield Alert("local_needs_at", ERROR, message, "delivery", "delivery.spread")
    elif section["spread"] == "local":
        first = walltimes.read(f"{section['date']}T{section['time']}", spreads.FIRST_ZONE)
        if first is not None and first.at <= timezone.now():
            message = _("In some time zones this time is over already. People there get it at once.")
            yield Alert("local_past", WARNING, message, "delivery", "delivery.spread")


def _waves(section: Mapping[str, Any]) -> Iterator[Alert]:
    """Bounds, and that the last wave starts in time; of waves by people, preparation finds out how many there are."""
    for key, bounds in (("size", spreads.SIZES), ("every", spreads.EVERY)):
        unit = section[f"wave_{key}_unit"]
        if unit in bounds:
            yield from _whole(section, "delivery", f"wave_{key}", bounds[unit])
        else:
            yield Alert("unit_unknown", ERROR, _("Choose a unit."), "delivery", f"delivery.wave_{key}")
    chosen, hours = spreads.waves(section), section["validity_hours"]
    if chosen is None or chosen.unit != "percent" or not occurrences.is_within(hours, _VALIDITY_HOURS):
        return
    n = chosen.n_waves(0)
    after_s = (n - 1) * chosen.every_s
    if after_s >= hours * _HOUR_S:
        parts = {"n": n, "after": spreads.every(after_s), "time": summaries.hours(hours)}
        sentence = _("The last of %(n)d waves would start after %(after)s, but it is sent for %(time)s only.") % parts
        advice = _("Use larger waves, less time between them, or keep retrying for longer.")
        yield Alert("waves_too_long", ERROR, f"{sentence} {advice}", "delivery", "delivery.wave_every")


def _unasked(section: Mapping[str, Any], by: User | None) -> Iterator[Alert]:
    if by is None or not schedules.sends_unasked(section) or (by.is_active and by.has_perm(roles.START)):
        return
    field = "aggregate" if schedules.aggregate(section) else "asks_confirmation"
    field = "if_unconfirmed" if schedules.asks(section) else field
    sentence = _("Only operators can publish a campaign that sends without confirmation.")
    people = [str(person) for person in roles.holders(roles.START)]
    if len(people) == 1:
        sentence = " ".join((sentence, _("%(name)s can.") % {"name": people[0]}))
    elif people:
        names = _("%(names)s and %(last)s") % {"names": ", ".join(people[:-1]), "last": people[-1]}
        sentence = " ".join((sentence, _("%(names)s can.") % {"names": names}))
    yield Alert("needs_start", ERROR, sentence, "delivery", f"delivery.{field}")


def _schedule(section: Mapping[str, Any]) -> Iterator[Alert]:
    if not section["date"] or not section["time"]:
        yield Alert("schedule_missing", ERROR, _("Choose a date and a time."), "delivery", "delivery.date")
        return
    if section["zone"] not in walltimes.zones():
        yield Alert("zone_unknown", ERROR, _("Choose a time zone."), "delivery", "delivery.zone")
        return
    moment = schedules.moment(section)
    if moment is None:
        yield Alert(
            "schedule_unreadable",
            ERROR,
            _("This date or time doesn't exist. Choose another."),
            "delivery",
            "delivery.date",
        )
        return
    if moment.at <= timezone.now():
        yield Alert(
            "schedule_past", ERROR, _("The send time has passed. Choose a later time."), "delivery", "delivery.date"
        )
    if moment.quirk:
        yield Alert(
            f"schedule_{moment.quirk}",
            WARNING,
            _quirk(section["time"], dt.date.fromisoformat(section["date"]), moment),
            "delivery",
            "delivery.time",
        )


def _quirk(time: str, date: dt.date, moment: walltimes.Moment) -> str:
    parts = {"time": time, "day": date_format(date, _("j F")), "used": f"{moment.shown:%H:%M}"}
    if moment.quirk == "skipped":
        return _("%(time)s doesn't exist on %(day)s. It will send at %(used)s.") % parts
    return _("%(time)s exists twice on %(day)s. It will send at the first.") % parts


def _whole(
    section: Mapping[str, Any], step: str, key: str, bounds: tuple[int, int], *, is_needed: bool = True
) -> Iterator[Alert]:
    given = section[key]
    if occurrences.is_within(given, bounds) or (given is None and not is_needed):
        return
    parts = {"low": number_format(bounds[0]), "high": number_format(bounds[1], force_grouping=True)}
    message = _("Enter a whole number from %(low)s to %(high)s.") % parts
    yield Alert("number_invalid", ERROR, message, step, f"{step}.{key}")
