"""When each shard of a delivery is due: all at the start, in waves, or at a wall time in the zones of its people.

`delivery.timetable` keeps the plan for people: rows {"wave": 0, "after_s": 0, "n": 300} of a send in waves, rows
{"at": "<ISO, UTC>", "zones": ["Europe/Paris", …], "n": 300} of one at local times; [] for everybody at the start.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from delivery.models import Delivery, Shard, ShardState
from lib import walltimes
from lib.errors import DomainError

PERCENT, PEOPLE = "percent", "people"

_PLACE = """
UPDATE delivery_shard s SET due_at = z.due_at
FROM unnest(%s::text[], %s::timestamptz[]) AS z(zone, due_at)
WHERE s.delivery_id = %s AND s.state = 'waiting' AND s.zone = z.zone
"""
_START_WAVES = """
UPDATE delivery_shard SET due_at = %s + make_interval(secs => wave * %s)
WHERE delivery_id = %s AND state = 'waiting'
"""


@dataclass(frozen=True)
class Waves:
    """Waves of `size` per cent or people each, `every_s` seconds apart; the last has the rest."""

    size: int
    unit: str
    every_s: int

    @property
    def as_json(self) -> dict[str, object]:
        return {"size": self.size, "unit": self.unit, "every_s": self.every_s}

    def n_waves(self, n: int) -> int:
        """How many waves `n` people make, at most."""
        return -(-100 // self.size) if self.unit == PERCENT else max(1, -(-n // self.size))

    def ends(self, n: int) -> list[int]:
        """How many of `n` people are in each wave and those before it; 10 people by 30 per cent: 3, 6, 9, 10.

        Of few people, percentages may give fewer waves; none is empty.
        """
        share = self.size if self.unit == PERCENT else 0
        steps = range(1, self.n_waves(n) + 1)
        ends = [min(n, -(-n * share * k // 100) if share else self.size * k) for k in steps]
        return [end for before, end in itertools.pairwise([0, *ends]) if end > before]


def waves(delivery: Delivery) -> Waves | None:
    """The waves of a delivery; None when it is not sent in any."""
    return Waves(**delivery.waves) if delivery.waves else None


def check_waves(delivery: Delivery, n: int) -> None:
    """Raise DomainError when the last wave of `n` people would start after the validity period."""
    chosen = waves(delivery)
    if chosen is None:
        return
    n_waves = len(chosen.ends(n))
    if n_waves and (n_waves - 1) * chosen.every_s >= delivery.validity_s:
        sentence = _("The last of %(n)s waves would start after the time to send is over. Use larger waves.")
        raise DomainError(sentence % {"n": number_format(n_waves, force_grouping=True)}, code="waves_too_long")


def zone_of(delivery: Delivery, usual: str) -> str:
    """The zone for people who have none: the one chosen with the schedule, else `usual`."""
    return delivery.scheduled_zone if delivery.scheduled_zone in walltimes.zones() else usual


def due_in(local_time: str, zones: Iterable[str]) -> dict[str, dt.datetime]:
    """When the wall time `local_time` comes in each of `zones`; a time that daylight saving skips moves to the next."""
    wall = dt.datetime.fromisoformat(local_time)
    return {zone: walltimes.resolve(wall, zone).at for zone in zones}


def lay(delivery: Delivery) -> list[dict[str, Any]]:
    """Set when the stored shards are due, within the caller's transaction; the timetable."""
    if delivery.local_time:
        return _lay_zones(delivery)
    return _lay_waves(delivery) if delivery.waves else []


def _lay_zones(delivery: Delivery) -> list[dict[str, Any]]:
    people = _people(delivery, "zone")
    dues = due_in(delivery.local_time, people)
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, [list(dues), list(dues.values()), delivery.pk])
    rows: dict[dt.datetime, dict[str, Any]] = {}
    for zone, at in sorted(dues.items(), key=lambda one: (one[1], -people[one[0]], one[0])):
        row = rows.setdefault(at, {"at": at.isoformat(), "zones": [], "n": 0})
        row["zones"].append(zone)
        row["n"] += people[zone]
    return list(rows.values())


def _lay_waves(delivery: Delivery) -> list[dict[str, Any]]:
    people, every_s = _people(delivery, "wave"), delivery.waves["every_s"]
    return [{"wave": wave, "after_s": wave * every_s, "n": people[wave]} for wave in sorted(people)]


def _people(delivery: Delivery, column: str) -> dict[Any, int]:
    counts: dict[Any, int] = {}
    for key, n in Shard.objects.filter(delivery=delivery).values_list(column, "n_ids"):
        counts[key] = counts.get(key, 0) + n
    return counts


def begin(delivery: Delivery, now: dt.datetime) -> dt.datetime:
    """Put the waves in their places as the delivery starts; when its last people are due."""
    if delivery.waves:
        with connection.cursor() as cursor:
            cursor.execute(_START_WAVES, [now, delivery.waves["every_s"], delivery.pk])
        # All share one validity period: the last wave was checked to start within it.
        return now
    last = max((_at(row) for row in delivery.timetable), default=now)
    return max(last, now)


def first_due(delivery: Delivery) -> dt.datetime | None:
    """When the first people of a prepared delivery are due by their own clocks, else when it is scheduled."""
    if delivery.local_time and delivery.timetable:
        return _at(delivery.timetable[0])
    return delivery.scheduled_at


def past(delivery: Delivery, now: dt.datetime) -> tuple[int, int]:
    """How many people, in how many zones, whose own time is over already: they get it at once."""
    over = [row for row in delivery.timetable if "at" in row and _at(row) <= now]
    return sum(row["n"] for row in over), sum(len(row["zones"]) for row in over)


def next_due(delivery: Delivery, now: dt.datetime) -> dt.datetime | None:
    """When the next people of a running delivery are due, if nobody is now or on the way; else None."""
    open_shards = Shard.objects.filter(delivery=delivery, state__in=(ShardState.WAITING, ShardState.LEASED))
    soonest = open_shards.order_by("due_at").values_list("due_at", flat=True).first()
    return soonest if soonest and soonest > now else None


def _at(row: Mapping[str, Any]) -> dt.datetime:
    return dt.datetime.fromisoformat(row["at"])
