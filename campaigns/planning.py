"""When a call is to be sent later: reading its schedule, giving it another one, and taking it back.

A schedule is an instant, or a wall time at which each person gets it in their own zone. One at their optimal time is
refused in words and never sent at another time instead. Another schedule replaces the first one whole.

At local times everything is decided when the first place on Earth reaches the time; from then on another schedule, and
taking it back, hit those who still wait.
"""

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import contents, triggering
from delivery import requests
from lib import walltimes
from lib.errors import DomainError
from messaging import attachments

# No schedule is further ahead.
MOST_AHEAD = dt.timedelta(days=366)
_KNOWN = frozenset({"time", "in_local_time", "at_optimal_time"})


# No clock on Earth is further ahead of UTC.
_FIRST = dt.timedelta(hours=14)


@dataclass(frozen=True)
class When:
    """`due_at`: when people are decided about. `local_time`: the wall time of each person; "" when `due_at` is it."""

    due_at: dt.datetime
    local_time: str = ""

    @property
    def nominal(self) -> dt.datetime:
        """The instant from which days are counted: of a local time the installation's."""
        if not self.local_time:
            return self.due_at
        return walltimes.resolve(dt.datetime.fromisoformat(self.local_time), settings.TIME_ZONE).at


class ScheduleInvalid(DomainError):
    """The schedule of a call can't be kept; nothing is stored."""

    code = "schedule_invalid"
    status = 400


def read(schedule: Mapping[str, object]) -> When:
    """The time of {"time": ISO 8601, "in_local_time": bool}. Raises ScheduleInvalid."""
    if unknown := sorted(set(schedule) - _KNOWN):
        raise ScheduleInvalid(_("schedule has no field “%(name)s”.") % {"name": unknown[0][:60]})
    if schedule.get("at_optimal_time"):
        sentence = _("%(name)s: It isn't offered here. Leave it out and give a time with its offset.")
        raise ScheduleInvalid(sentence % {"name": "schedule.at_optimal_time"})
    try:
        at = dt.datetime.fromisoformat(str(schedule.get("time", "")))
    except ValueError:
        raise ScheduleInvalid(_("schedule.time must be a date and a time in ISO 8601.")) from None
    if schedule.get("in_local_time"):
        return _local(at)
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    now = timezone.now()
    if at <= now:
        raise ScheduleInvalid(_("schedule.time has passed. Give a later one."))
    _check_ahead(at, now)
    # In UTC, because PostgreSQL takes no offset of 16 hours.
    return When(at.astimezone(dt.UTC))


def _local(wall: dt.datetime) -> When:
    """A wall time; refused when it has passed where the installation is, whatever other places' clocks show."""
    if wall.tzinfo is not None:
        raise ScheduleInvalid(_("schedule.time must have no offset with in_local_time: it is each person's own time."))
    if wall.second or wall.microsecond:
        raise ScheduleInvalid(_("schedule.time must be a whole minute with in_local_time."))
    now = timezone.now()
    # Before any zone is asked: the first and the last years that dates have are none in others.
    _check_ahead(wall.replace(tzinfo=dt.UTC), now)
    if wall.year < now.year - 1 or walltimes.resolve(wall, settings.TIME_ZONE).at <= now:
        sentence = _("schedule.time has passed in %(zone)s, the time zone of this installation.")
        raise ScheduleInvalid(sentence % {"zone": settings.TIME_ZONE})
    first = wall.replace(tzinfo=dt.UTC) - _FIRST
    return When(max(first, now), wall.isoformat(timespec="minutes"))


def _check_ahead(at: dt.datetime, now: dt.datetime) -> None:
    if at - now > MOST_AHEAD:
        raise ScheduleInvalid(_("schedule.time is more than %(n)d days ahead.") % {"n": MOST_AHEAD.days})


def update(campaign_id: str, schedule_id: str, schedule: Mapping[str, object]) -> int | None:
    """Replace the schedule of a call that was not sent yet; `campaign_id` is "" for one that brought its own message.

    None when all of it has the new one; how many people, where its local times have begun. Raises ScheduleInvalid,
    requests.ScheduleGone, triggering.CampaignInvalid.
    """
    when = read(schedule)
    key, origin = _key(schedule_id), _origin(campaign_id)
    return requests.replan(key, when.due_at, origin=origin, local_time=when.local_time)


@transaction.atomic
def rewrite(
    schedule_id: str,
    *,
    schedule: Mapping[str, object] | None = None,
    messages: Mapping[str, object] | None = None,
    files: Sequence[attachments.File] = (),
) -> tuple[tuple[str, ...], int | None]:
    """Replace the schedule, the message with its `files`, or both of a call that brought its own message.

    What deserves a look about the message, and what `update` returns. Raises as `update`, and contents.MessageInvalid;
    then neither is changed. Once local times have begun there is one message for all.
    """
    warnings: tuple[str, ...] = ()
    if messages is not None:
        request = requests.lock_scheduled(_key(schedule_id), _origin(""))
        warnings = contents.rewrite(request, messages, files).warnings
    return warnings, update("", schedule_id, schedule) if schedule is not None else None


def delete(campaign_id: str, schedule_id: str) -> int | None:
    """Take a call back, so that its time passes and nothing is sent. Returns and raises as `update`."""
    return requests.cancel(_key(schedule_id), origin=_origin(campaign_id))


def _origin(campaign_id: str) -> requests.Origin:
    if not campaign_id:
        return requests.Origin("", "", "")
    campaign = triggering.find(campaign_id)
    return requests.Origin("campaign", str(campaign.public_id), campaign.name)


def _key(schedule_id: str) -> uuid.UUID:
    try:
        return uuid.UUID(schedule_id)
    except ValueError:
        raise requests.ScheduleGone(_("There is no schedule with this id, or its time has come.")) from None
