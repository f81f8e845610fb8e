"""Quiet hours: nobody gets a message between two times of their own day, such as 21:00 and 08:00.

What is set in Settings counts for the sends that are prepared from then on: preparation pins it in
`delivery.quiet_hours` and sorts people into shards by their zone. A shard whose zone is quiet is never leased; one that
was leased before is given back before its hours begin; the tick moves it to their end, or closes it, as was chosen.
People who are tried again always wait. A send may ignore quiet hours, for messages that people wait for.
"""

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psycopg
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import installation
from delivery import doors, endings, options
from delivery.models import Delivery, DeliveryState
from lib import walltimes

DELAY, SKIP = "delay", "skip"
_DUE_ZONES = """
SELECT DISTINCT zone FROM delivery_shard
WHERE delivery_id = %s AND state = 'waiting' AND due_at <= now() AND zone <> ''
"""
_OPEN_ZONES = """
SELECT DISTINCT zone FROM delivery_shard WHERE delivery_id = %s AND state IN ('waiting', 'leased') AND zone <> ''
"""
_DELAY = """
UPDATE delivery_shard s SET due_at = z.until
FROM unnest(%s::text[], %s::timestamptz[]) AS z(zone, until)
WHERE s.delivery_id = %s AND s.state = 'waiting' AND s.zone = z.zone AND s.due_at <= now()
"""


@dataclass(frozen=True)
class Hours:
    """From `start` to before `end`, over midnight when `end` is the earlier one."""

    start: dt.time
    end: dt.time
    action: str = DELAY

    def is_quiet(self, zone: str, at: dt.datetime) -> bool:
        """Whether people in `zone` are not to be disturbed at the instant `at`."""
        clock = at.astimezone(zoneinfo.ZoneInfo(zone)).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def until(self, zone: str, at: dt.datetime) -> dt.datetime:
        """When the quiet hours that hold at `at` end; later than `at`."""
        there = at.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None, fold=0)
        day = there.date() + dt.timedelta(days=1 if self.start > self.end and there.time() >= self.start else 0)
        end = walltimes.resolve(dt.datetime.combine(day, self.end), zone).at
        # An end that the clock shows twice was passed once already, yet it is before it again.
        return end if end > at else end + dt.timedelta(hours=1)

    def quiet(self, zones: Iterable[str], at: dt.datetime) -> list[str]:
        """Those of `zones` that are quiet at `at`."""
        return [zone for zone in zones if zone and self.is_quiet(zone, at)]


def configured() -> dict[str, str]:
    """The quiet hours that are set now, as `delivery.quiet_hours` holds them; {} for none."""
    names = (options.QUIET_ON, options.QUIET_FROM, options.QUIET_TO, options.QUIET_ACTION)
    is_on, start, end, action = installation.values(names).values()
    return {"from": start, "to": end, "action": action} if is_on and start != end else {}


def pin(delivery: Delivery) -> dict[str, str]:
    """What `delivery.quiet_hours` is to hold from this preparation on."""
    return {} if delivery.ignores_quiet_hours else configured()


def words(pinned: Mapping[str, str]) -> str:
    """Quiet hours in a sentence for people."""
    if not pinned:
        return _("No quiet hours are set.")
    sentence = _("Quiet hours are from %(from)s to %(to)s in each person's time zone.") % pinned
    if pinned["action"] == SKIP:
        return " ".join((sentence, _("People whose turn comes in them get nothing.")))
    return " ".join((sentence, _("People whose turn comes in them get it when they end.")))


def of(delivery: Delivery) -> Hours | None:
    """The quiet hours that hold for a prepared delivery."""
    pinned = delivery.quiet_hours
    if not pinned:
        return None
    return Hours(dt.time.fromisoformat(pinned["from"]), dt.time.fromisoformat(pinned["to"]), pinned["action"])


class Watch:
    """The quiet hours of one drain. Everything is asked a little ahead, so that windows close before they begin."""

    def __init__(self, delivery: Delivery, *, ahead_s: float) -> None:
        self._hours = of(delivery)
        self._delivery_id = delivery.pk
        self._ahead = dt.timedelta(seconds=ahead_s)
        self._zones: list[str] | None = None

    def is_quiet(self, zone: str) -> bool:
        """Whether people in `zone` may not be written to from now on."""
        if self._hours is None or not zone:
            return False
        now = timezone.now()
        return self._hours.is_quiet(zone, now) or self._hours.is_quiet(zone, now + self._ahead)

    def quiet(self, database: psycopg.Connection[tuple[object, ...]]) -> list[str]:
        """The zones of the delivery's open shards that are quiet now or soon."""
        if self._hours is None:
            return []
        if self._zones is None:
            # Shards that come later come from these, and keep their zone.
            rows = database.execute(_OPEN_ZONES, (self._delivery_id,)).fetchall()
            self._zones = [str(row[0]) for row in rows]
        return [zone for zone in self._zones if self.is_quiet(zone)]


def hold_all() -> None:
    """Move people who would be due now, in quiet zones, to the end of their quiet hours, or close them. By the tick."""
    running = Delivery.objects.filter(state=DeliveryState.SENDING).exclude(quiet_hours={})
    for delivery_id in running.values_list("pk", flat=True):
        with transaction.atomic():
            _hold(doors.lock(delivery_id))


def _hold(delivery: Delivery) -> None:
    hours = of(delivery)
    if hours is None or delivery.state != DeliveryState.SENDING:
        return
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(_DUE_ZONES, [delivery.pk])
        zones = hours.quiet([row[0] for row in cursor.fetchall()], now)
        if not zones:
            return
        if hours.action == SKIP:
            endings.skip_quiet(delivery, zones)
        cursor.execute(_DELAY, [zones, [hours.until(zone, now) for zone in zones], delivery.pk])
