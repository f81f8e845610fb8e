"""Retry now: take up at once what stands still in a delivery that is sending."""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from delivery import doors, recovery, refusals
from delivery.models import Delivery, DeliveryState


def retry_now(delivery_id: int, *, by: User) -> Delivery:
    """Take over what a dead worker left. By operators, and the owner. Who is not due yet keeps their time: they may be
    in a later wave, another zone, or deferred.

    Wakes nobody by itself: the caller asks for drains. Safe to repeat. Raises NotAllowed; WrongState unless it sends.
    """
    recovered = recovery.recover_all()
    with transaction.atomic():
        delivery = doors.lock(delivery_id)
        user = access.fresh(by)
        access.check(user, roles.EDIT if delivery.owner_id == user.pk else roles.START)
        if delivery.state != DeliveryState.SENDING:
            raise refusals.WrongState(_("It isn't sending, so there is nothing to retry."))
        subject = ("delivery", str(delivery.public_id))
        audit.record("delivery.retried", subject=subject, by=by, detail={"n_recovered": len(recovered)})
    return delivery
