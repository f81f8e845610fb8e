"""When a page of a delivery asks again, and what it then says aloud. Pure."""

import datetime as dt
import math

from django.utils.translation import gettext as _

from delivery import headlines, kpi
from delivery.models import ENDED, RUNNING, Delivery, DeliveryState

# The panel still polls often for this long after the end.
_BUSY_AFTER_END = dt.timedelta(hours=1)
_SENDING_MS, _PAUSED_MS, _SLOW_MS, _SLOWEST_MS = 2_000, 4_000, 15_000, 60_000
_AT_ONCE_MS = 1_000


def poll_ms(delivery: Delivery, now: dt.datetime, *, took_ms: float = 0, is_computing: bool = False) -> int | None:
    """Milliseconds until a page should ask again; None when nothing changes any more.

    `took_ms`: how long this answer took to make. While sending, a slow server is asked less often.
    """
    if delivery.state == DeliveryState.PREPARING or is_computing:
        return _AT_ONCE_MS
    if delivery.state == DeliveryState.SENDING:
        return max(_SENDING_MS, _patience_ms(took_ms))
    if delivery.state == DeliveryState.PAUSED:
        return _PAUSED_MS
    if delivery.state == DeliveryState.CONFIRMED:
        is_near = delivery.start_at is not None and delivery.start_at - now < dt.timedelta(minutes=1)
        return _AT_ONCE_MS if is_near else _SLOW_MS
    if delivery.state not in ENDED:
        return _SLOW_MS
    if delivery.started_at is None:
        return None
    if delivery.ended_at and now - delivery.ended_at < _BUSY_AFTER_END:
        return _SLOW_MS
    return _SLOWEST_MS if delivery.valid_until and delivery.valid_until > now else None


def _patience_ms(took_ms: float) -> int:
    """250·√ms − 1000: two seconds for an answer that took 0.15 s, seven for one that took 1 s."""
    return round(250 * math.sqrt(took_ms) - 1000)


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
