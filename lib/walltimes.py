"""From what a clock on a wall shows, in a named time zone, to an instant; daylight saving included. Pure."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Moment:
    """A chosen wall time as an instant. `quirk`: "" · "skipped" (that time does not exist, the next one that does is
    used) · "twice" (the clock shows it twice, the first is used). `shown` is the wall time that is really used."""

    at: dt.datetime
    zone: str
    quirk: str
    shown: dt.datetime


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Names of all time zones."""
    return frozenset(zoneinfo.available_timezones())


def read(text: str, zone: str) -> Moment | None:
    """The instant of a typed wall time such as "2026-11-25T09:00"; None when it or the zone is no such thing."""
    try:
        wall = dt.datetime.fromisoformat(text)
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
