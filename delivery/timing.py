"""What the pages of a send say about when people get it: waves, local times, quiet hours, another time than planned."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from typing import Any

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from delivery import headlines, moments, quiet, refreshing, timetables
from delivery.models import Delivery, DeliveryState
from lib import walltimes

# Rows shown before the rest is folded, and zones named in one row.
_ROWS, _ZONES = 6, 3


@dataclass(frozen=True)
class Row:
    """People who are due together. `when` in the reader's zone, or counted from the start."""

    name: str
    when: str
    n: int
    is_past: bool


def shown(delivery: Delivery, now: dt.datetime) -> dict[str, Any] | None:
    """For delivery/_timing.html; None when everybody is due at the start, whenever that is."""
    rows = [_row(delivery, row, now) for row in delivery.timetable]
    notes = [
        quiet.words(delivery.quiet_hours) if delivery.quiet_hours else "",
        _moved(delivery) if delivery.rescheduled_at else "",
    ]
    if not rows and not any(notes):
        return None
    return {
        "title": _title(delivery),
        "names": _("Time zone") if delivery.local_time else _("Wave"),
        "times": _("Your time") if delivery.local_time else _("Starts"),
        "rows": rows[:_ROWS],
        "rest": rows[_ROWS:],
        "past": past(delivery, now),
        "notes": [note for note in notes if note],
    }


def start(delivery: Delivery, now: dt.datetime) -> dict[str, Any]:
    """The countdown of a confirmed send: when it starts, in the zone it was chosen in and in the reader's own."""
    assert delivery.start_at is not None
    seconds = max(0, (delivery.start_at - now).total_seconds())
    is_scheduled = bool(delivery.scheduled_at and delivery.scheduled_at >= delivery.start_at)
    return {
        "at": delivery.start_at,
        "now": now,
        "seconds": round(seconds),
        "text": f"{int(seconds) // 60}:{int(seconds) % 60:02d}" if seconds < 600 else headlines.duration(seconds),
        "is_scheduled": is_scheduled,
        "when": when(delivery, delivery.start_at) if is_scheduled else "",
        "can_start_now": not (delivery.local_time and is_scheduled),
        "guard_percent": delivery.refresh_guard_percent,
        "usual_guard": refreshing.USUAL_GUARD,
    }


def past(delivery: Delivery, now: dt.datetime) -> str:
    """How many people of a send that has not started are past their own time, in words; "" for nobody."""
    n, n_zones = timetables.past(delivery, now) if delivery.started_at is None else (0, 0)
    return _past(n, n_zones) if n else ""


def waves(delivery: Delivery) -> str:
    """ "4 waves, 1 hour apart"; "" for a send that is not in waves."""
    if not delivery.waves:
        return ""
    n = len(delivery.timetable)
    values = {"n": headlines.count(n), "time": _after(delivery.waves["every_s"])}
    return ngettext("%(n)s wave", "%(n)s waves, %(time)s apart", n) % values


def when(delivery: Delivery, moment: dt.datetime | None) -> str:
    """ "Tue 25 Nov, 09:00 Paris (03:00 your time)", or that it is each person's own time; "" for None."""
    if not delivery.local_time:
        return moments.when(moment, delivery.scheduled_zone)
    wall = dt.datetime.fromisoformat(delivery.local_time)
    day = formats.date_format(wall, pgettext("date format", "D j M"))
    return _("%(day)s, %(time)s in each person's time zone") % {"day": day, "time": f"{wall:%H:%M}"}


def new_time(delivery: Delivery) -> dict[str, Any] | None:
    """The time a send has, for the fields of Reschedule; None when it has none or has started."""
    is_open = delivery.state in {DeliveryState.PREPARED, DeliveryState.CONFIRMED}
    if not is_open or delivery.scheduled_at is None:
        return None
    zone = timetables.zone_of(delivery, timezone.get_current_timezone_name())
    there = delivery.scheduled_at.astimezone(zoneinfo.ZoneInfo(zone))
    if delivery.local_time:
        there = dt.datetime.fromisoformat(delivery.local_time)
    return {"date": f"{there:%Y-%m-%d}", "time": f"{there:%H:%M}", "zone": zone, "zones": sorted(walltimes.zones())}


def _title(delivery: Delivery) -> str:
    if delivery.local_time:
        return _("When each time zone gets it")
    return _("Waves") if delivery.waves else _("When people get it")


def _row(delivery: Delivery, row: dict[str, Any], now: dt.datetime) -> Row:
    if "at" in row:
        at = dt.datetime.fromisoformat(row["at"])
        is_past = at <= now and delivery.started_at is None
        when = _("%(time)s, so at once") % {"time": headlines.stamp(at)} if is_past else headlines.stamp(at)
        return Row(_zones(row["zones"]), when, row["n"], is_past)
    name = _("Wave %(n)s") % {"n": headlines.count(row["wave"] + 1)}
    if delivery.started_at is not None:
        at = delivery.started_at + dt.timedelta(seconds=row["after_s"])
        return Row(name, headlines.stamp(at), row["n"], at <= now)
    if not row["after_s"]:
        return Row(name, _("at the start"), row["n"], False)
    return Row(name, _("%(time)s later") % {"time": _after(row["after_s"])}, row["n"], False)


def _after(seconds: int) -> str:
    if seconds % 3600:
        return headlines.duration(seconds)
    hours = seconds // 3600
    return ngettext("%(n)s hour", "%(n)s hours", hours) % {"n": headlines.count(hours)}


def _zones(names: list[str]) -> str:
    """ "Paris, Berlin, Rome and 12 more"."""
    places = ", ".join(name.rsplit("/", 1)[-1].replace("_", " ") for name in names[:_ZONES])
    more = len(names) - _ZONES
    if more <= 0:
        return places
    return ngettext("%(places)s and %(n)d more", "%(places)s and %(n)d more", more) % {"places": places, "n": more}


def _past(n: int, n_zones: int) -> str:
    values = {"n": headlines.count(n), "zones": n_zones}
    where = ngettext("%(zones)d time zone", "%(zones)d time zones", n_zones) % values
    text = ngettext(
        "For %(n)s person in %(where)s this time is over already. They get it at once.",
        "For %(n)s people in %(where)s this time is over already. They get it at once.",
        n,
    )
    return text % {**values, "where": where}


def _moved(delivery: Delivery) -> str:
    sentence = _("Rescheduled on %(time)s. This send has a time of its own, the campaign keeps its.")
    return sentence % {"time": headlines.stamp(delivery.rescheduled_at)}
