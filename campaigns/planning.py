"""When a call is to be sent later: reading its schedule, giving it another one, and taking it back.

A schedule is an instant. One in the local time of each person, or at their optimal time, is refused in words and never
sent at another time instead. Another schedule replaces the first one whole.
"""

import datetime as dt
import uuid
from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import contents, triggering
from delivery import requests
from delivery.models import TriggerRequest
from lib.errors import DomainError

# No schedule is further ahead.
MOST_AHEAD = dt.timedelta(days=366)
_KNOWN = frozenset({"time", "in_local_time", "at_optimal_time"})


class ScheduleInvalid(DomainError):
    """The schedule of a call can't be kept; nothing is stored."""

    code = "schedule_invalid"
    status = 400


def read(schedule: Mapping[str, object]) -> dt.datetime:
    """The instant of {"time": ISO 8601}, UTC unless it has an offset. Raises ScheduleInvalid."""
    if unknown := sorted(set(schedule) - _KNOWN):
        raise ScheduleInvalid(_("schedule has no field “%(name)s”.") % {"name": unknown[0][:60]})
    for name in ("in_local_time", "at_optimal_time"):
        if schedule.get(name):
            sentence = _("%(name)s isn't offered here. Leave it out and give a time with its offset.")
            raise ScheduleInvalid(sentence % {"name": name})
    try:
        at = dt.datetime.fromisoformat(str(schedule.get("time", "")))
    except ValueError:
        raise ScheduleInvalid(_("schedule.time must be a date and a time in ISO 8601.")) from None
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    now = timezone.now()
    if at <= now:
        raise ScheduleInvalid(_("schedule.time has passed."))
    if at - now > MOST_AHEAD:
        raise ScheduleInvalid(_("schedule.time is more than %(n)d days ahead.") % {"n": MOST_AHEAD.days})
    # In UTC, because PostgreSQL takes no offset of 16 hours.
    return at.astimezone(dt.UTC)


def update(campaign_id: str, schedule_id: str, schedule: Mapping[str, object]) -> TriggerRequest:
    """Replace the schedule of a call that was not sent yet; `campaign_id` is "" for one that brought its own message.

    Raises ScheduleInvalid, requests.ScheduleGone, triggering.CampaignInvalid.
    """
    at = read(schedule)
    return requests.replan(_key(schedule_id), at, origin=_origin(campaign_id))


@transaction.atomic
def rewrite(
    schedule_id: str, *, schedule: Mapping[str, object] | None = None, messages: Mapping[str, object] | None = None
) -> contents.Answer:
    """Replace the schedule, the message or both of a call that brought its own message.

    Raises as `update`, and contents.MessageInvalid; then neither is changed.
    """
    request = requests.lock_scheduled(_key(schedule_id), _origin(""))
    answer = contents.rewrite(request, messages) if messages is not None else contents.Answer(request)
    if schedule is not None:
        update("", schedule_id, schedule)
    return answer


def delete(campaign_id: str, schedule_id: str) -> TriggerRequest:
    """Take a call back, so that its time passes and nothing is sent. Raises as `update`."""
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
