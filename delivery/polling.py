"""When a page of a delivery asks again, and what it then says aloud. Pure."""

import datetime as dt

from django.utils.translation import gettext as _

from delivery import headlines, kpi
from delivery.models import ENDED, RUNNING, Delivery, DeliveryState

# The panel still polls often for this long after the end.
_BUSY_AFTER_END = dt.timedelta(hours=1)


def poll_ms(delivery: Delivery, now: dt.datetime) -> int | None:
    """Milliseconds until a page should ask again; None when nothing changes any more."""
    if delivery.state == DeliveryState.PREPARING:
        return 1000
    if delivery.state == DeliveryState.SENDING:
        return 2000
    if delivery.state == DeliveryState.PAUSED:
        return 4000
    if delivery.state == DeliveryState.CONFIRMED:
        is_near = delivery.start_at is not None and delivery.start_at - now < dt.timedelta(minutes=1)
        return 1000 if is_near else 15_000
    if delivery.state not in ENDED:
        return 15_000
    if delivery.ended_at and now - delivery.ended_at < _BUSY_AFTER_END:
        return 15_000
    return 60_000 if delivery.valid_until and delivery.valid_until > now else None


def announce(delivery: Delivery, panel: kpi.Panel | None) -> str:
    """What screen readers hear: the state, and quarters of the way. The page speaks only when it changes."""
    if panel is None:
        return str(delivery.get_state_display()) if delivery.state != DeliveryState.PREPARING else ""
    if delivery.state not in RUNNING:
        return str(delivery.get_state_display())
    quarter = int(4 * (panel.processed_rate or 0)) * 25
    return _("%(state)s, %(n)s%% of %(all)s") % {
        "state": delivery.get_state_display(),
        "n": quarter,
        "all": headlines.count(panel.to_send or 0),
    }
