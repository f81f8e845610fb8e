"""Prepare a scheduled send again just before it starts, so that people who joined since get it too.

Steps, each found again by the tick whatever was lost in between: at its start the send is prepared anew; then it is
confirmed in the name of who confirmed it before, and starts after the usual grace. When it grew by more than was
allowed, a segment asks for others by then, it came too late, or that person may not confirm any more, it stays prepared
with the reason and waits for a person.
"""

from django.db import transaction
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from accounts import access, audit, roles
from accounts.models import User
from delivery import lifecycle, options, refusals, staleness
from delivery.models import Delivery, DeliveryState
from lib.errors import DomainError

# Bounds of how much it may grow, in per cent, and what is offered first.
GUARD = (0, 1000)
USUAL_GUARD = 10


@transaction.atomic
def choose(delivery_id: int, *, guard_percent: int | None, by: User) -> Delivery:
    """Prepare a confirmed, scheduled send again at its start, or not (None). The number may change, so only operators.

    Raises NotAllowed, WrongState, and DomainError for a number that is none, and for a send for a request.
    """
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    access.check(access.fresh(by), roles.START)
    if delivery.state != DeliveryState.CONFIRMED:
        raise refusals.wrong(delivery)
    if delivery.request_no:
        # Nobody confirmed it who could be asked again, and it was promised to those whom the call meant.
        raise DomainError(_("A send for a request is prepared once, when it is asked for."), code="of_request")
    if guard_percent is not None and not GUARD[0] <= guard_percent <= GUARD[1]:
        sentence = _("Enter a whole number from %(low)s to %(high)s.")
        numbers = {"low": GUARD[0], "high": number_format(GUARD[1], force_grouping=True)}
        raise DomainError(sentence % numbers, code="number_invalid", status=422)
    delivery.refresh_guard_percent = guard_percent
    delivery.save(update_fields=["refresh_guard_percent"])
    _record("delivery.refresh_chosen", delivery, by=by, guard_percent=guard_percent)
    return delivery


@transaction.atomic
def begin(delivery_id: int) -> Delivery:
    """Start the preparation of a confirmed send whose time has come. By the tick. Raises WrongState."""
    delivery = lifecycle.refresh(delivery_id)
    # Its basis is still that of the list that was confirmed.
    if staleness.segments_changed(delivery):
        delivery.failure = _("A segment was changed after this send was confirmed.")
        delivery.save(update_fields=["failure"])
    return delivery


def settle_all() -> None:
    """Go on with the sends that were prepared again. By the tick."""
    ready = Delivery.objects.filter(state=DeliveryState.PREPARED, refreshing_from__isnull=False)
    for delivery_id in ready.values_list("pk", flat=True):
        _settle(delivery_id)


@transaction.atomic
def _settle(delivery_id: int) -> None:
    delivery = Delivery.objects.select_for_update(no_key=True).get(pk=delivery_id)
    if delivery.state != DeliveryState.PREPARED or delivery.refreshing_from is None:
        return
    problem = _problem(delivery)
    if not problem:
        try:
            assert delivery.confirmed_by is not None
            with transaction.atomic():
                lifecycle.confirm_for(delivery_id, on_behalf_of=delivery.confirmed_by)
            return
        except DomainError as refusal:
            problem = refusal.message
    before = delivery.refreshing_from
    delivery.failure = problem
    delivery.refreshing_from = delivery.refresh_guard_percent = None
    delivery.confirmed_at = delivery.confirmed_by = delivery.start_at = None
    fields = ["failure", "refreshing_from", "refresh_guard_percent", "confirmed_at", "confirmed_by", "start_at"]
    delivery.save(update_fields=fields)
    _record("delivery.held", delivery, by=None, before=before, n_to_send=delivery.n_to_send, reason=problem)


def _problem(delivery: Delivery) -> str:
    """Why the new list needs a person to look; "" when it does not."""
    look = _("It was not sent. Look at the list and confirm again.")
    if delivery.failure:
        return f"{delivery.failure} {look}"
    if delivery.start_at is not None and timezone.now() - delivery.start_at > options.most_lateness():
        return " ".join([_("Prepared again at its start, it was ready too late."), look])
    before, after = delivery.refreshing_from or 0, delivery.n_to_send or 0
    guard = delivery.refresh_guard_percent or 0
    if after <= before * (100 + guard) / 100:
        return ""
    values = {"before": _grouped(before), "after": _grouped(after), "guard": guard}
    sentence = _("Prepared again at its start, it grew from %(before)s to %(after)s people, by more than %(guard)d %%.")
    return " ".join([sentence % values, look])


def _grouped(n: int) -> str:
    return str(number_format(n, force_grouping=True))


def _record(action: str, delivery: Delivery, *, by: User | None, **detail: object) -> None:
    subject = ("delivery", str(delivery.public_id))
    audit.record(action, subject=subject, by=by, label="" if by else "scheduler", detail=detail)
