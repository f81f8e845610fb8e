"""When a delivery section sends: from "25 November, 09:00, Paris" to an instant; whether somebody is asked before."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True)
class Moment:
    """A chosen wall time as an instant. `quirk`: "" · "skipped" (that time does not exist, the next one that does is
    used) · "twice" (the clock shows it twice, the first is used). `shown` is the wall time that is really used."""

    at: dt.datetime
    zone: str
    quirk: str
    shown: dt.datetime


# Kinds of delivery that send on their own while the campaign is active.
STANDING = frozenset({"repeat", "api"})
# Bounds of the hours to confirm (with those a list is prepared ahead, less than the day after which it is too old), and
# what they are without a choice.
CONFIRM_WITHIN_HOURS = (1, 18)
_USUAL_HOURS = 4


AGGREGATES = ("day", "week", "month", "year")


def aggregate(delivery: Mapping[str, Any]) -> str:
    """The period whose repeating sends are counted together: one of AGGREGATES, "" for each send on its own."""
    chosen = str(delivery["aggregate"])
    return chosen if delivery["kind"] == "repeat" and chosen in AGGREGATES else ""


def asks(delivery: Mapping[str, Any]) -> bool:
    """Whether somebody is asked before each repeating send. Sends that are counted together never ask."""
    return bool(delivery["asks_confirmation"]) and not aggregate(delivery)


def sends_unasked(delivery: Mapping[str, Any]) -> bool:
    """Whether some send of it needs no later confirmation: only people who may start sends may publish that."""
    if delivery["kind"] != "repeat":
        return False
    return not asks(delivery) or delivery["if_unconfirmed"] == "send"


def confirm_within(delivery: Mapping[str, Any]) -> dt.timedelta:
    """How long after its time a repeating send can be confirmed.

    Who doesn't ask for confirmations may leave anything in that field; a send whose confirmation was cancelled then has
    the usual time.
    """
    hours = delivery["confirm_within_hours"]
    is_usable = isinstance(hours, int) and CONFIRM_WITHIN_HOURS[0] <= hours <= CONFIRM_WITHIN_HOURS[1]
    return dt.timedelta(hours=hours if is_usable else _USUAL_HOURS)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Names of all time zones."""
    return frozenset(zoneinfo.available_timezones())


def moment(delivery: Mapping[str, Any]) -> Moment | None:
    """The instant chosen in a delivery section; None when date, time or zone are missing or unreadable."""
    zone = str(delivery["zone"])
    try:
        wall = dt.datetime.fromisoformat(f"{delivery['date']}T{delivery['time']}")
    except ValueError:
        return None
    # In the first and the last years that dates have, another zone's date may be none.
    if zone not in zones() or wall.tzinfo is not None or not 1970 <= wall.year <= 9000:
        return None
    return resolve(wall, zone)


def resolve(wall: dt.datetime, zone: str) -> Moment:
    """The instant of the naive `wall` time in `zone`. PEP 495: the two folds differ in a gap and in a repeated hour."""
    tz = zoneinfo.ZoneInfo(zone)
    first, second = wall.replace(tzinfo=tz, fold=0), wall.replace(tzinfo=tz, fold=1)
    at = first.astimezone(dt.UTC)
    if first.utcoffset() == second.utcoffset():
        return Moment(at, zone, "", wall)
    if at.astimezone(tz).replace(tzinfo=None, fold=0) == wall:
        return Moment(at, zone, "twice", wall)
    at = _transition(second.astimezone(dt.UTC), at, tz)
    return Moment(at, zone, "skipped", at.astimezone(tz).replace(tzinfo=None, fold=0))


def _transition(low: dt.datetime, high: dt.datetime, tz: dt.tzinfo) -> dt.datetime:
    """The first second after `low`, at the latest `high`, in which `tz` has the offset it has at `high`."""
    after = high.astimezone(tz).utcoffset()
    while high - low > dt.timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(tz).utcoffset() == after:
            high = middle
        else:
            low = middle
    return high.replace(microsecond=0)
