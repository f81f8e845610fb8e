"""Give a send that has not started another time. Its state, its list and its confirmation stay.

From then on it has a time of its own, whatever its origin says; it keeps only the terms it was opened with.
"""

import datetime as dt
import hashlib

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from delivery import refusals, staleness, timetables
from delivery.models import Delivery, DeliveryState
from lib import walltimes
from lib.errors import DomainError

_FIELDS = ["scheduled_at", "scheduled_zone", "local_time", "timetable", "rescheduled_at", "basis", "seal", "start_at"]


@transaction.atomic
def reschedule(delivery_id: int, *, at: walltimes.Moment, by: User) -> Delivery:
    """Move a prepared or confirmed send to `at`, of local times in every zone. By operators and the owner.

    The seal changes, so a page that shows the old time can't be confirmed. Locks the delivery; one that starts at this
    moment is either moved or has started. Raises NotAllowed, WrongState, and DomainError: in the past, or so late that
    the list would be too old.
    """
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    _check(delivery, by)
    before, now = delivery.scheduled_at, timezone.now()
    delivery.scheduled_at, delivery.scheduled_zone = at.at, at.zone
    if delivery.local_time:
        delivery.local_time = at.shown.isoformat(timespec="minutes")
        delivery.timetable = timetables.lay(delivery)
    staleness.accept_schedule(delivery)
    _check_time(delivery, now)
    delivery.rescheduled_at = now
    delivery.seal = hashlib.sha256(f"{delivery.seal} {at.at.isoformat()} {at.zone}".encode()).hexdigest()
    if delivery.state == DeliveryState.CONFIRMED:
        delivery.start_at = max(timetables.first_due(delivery) or now, now)
    delivery.save(update_fields=_FIELDS)
    detail: dict[str, object] = {"from": before.isoformat() if before else "", "to": at.at.isoformat(), "zone": at.zone}
    audit.record("delivery.rescheduled", subject=("delivery", str(delivery.public_id)), by=by, detail=detail)
    return delivery


def _check(delivery: Delivery, by: User) -> None:
    user = access.fresh(by)
    if user.pk != delivery.owner_id or not user.is_active:
        access.check(user, roles.START)
    if delivery.started_at is not None:
        raise refusals.WrongState(_("It has started. Stop the rest instead."), code="already_started")
    if delivery.state not in {DeliveryState.CONFIRMED, DeliveryState.PREPARED}:
        raise refusals.wrong(delivery)


def _check_time(delivery: Delivery, now: dt.datetime) -> None:
    """The new time is ahead, and the list is not older then than it may be at a confirmation."""
    first = timetables.first_due(delivery)
    assert delivery.prepared_at is not None and delivery.scheduled_at is not None and first is not None
    if delivery.scheduled_at <= now:
        raise DomainError(_("The send time has passed. Choose a later time."), code="schedule_past", status=422)
    if max(first, delivery.scheduled_at) > delivery.prepared_at + staleness.MAX_AGE:
        raise DomainError(_("This needs a new preparation."), code="needs_preparation")
