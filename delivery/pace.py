"""How fast a delivery goes right now: samples of its progress of the last minute, kept in the cache by whoever looks.

Nothing depends on these figures; with the cache away, or nobody looking, the average since the start is given instead.
"""

import datetime as dt
import logging
from dataclasses import dataclass

from django.core.cache import cache
from django.utils import timezone
from redis.exceptions import RedisError

from delivery.models import Delivery, DeliveryState

logger = logging.getLogger(__name__)

# Seconds of history that the rate is taken from, and the least that is shown.
_SPAN_S = 60
_LEAST_S = 10
# Seconds between two samples of one delivery.
_EVERY_S = 1.0


@dataclass(frozen=True)
class Pace:
    """Messages per minute, and seconds until the last one; None while not known."""

    rate_per_minute: int | None = None
    eta_s: int | None = None


def measure(delivery: Delivery, *, n_processed: int, n_left: int) -> Pace:
    """Note the progress and return the pace. Only a delivery that is sending has one."""
    if delivery.state != DeliveryState.SENDING or delivery.started_at is None:
        return Pace()
    now = timezone.now()
    samples = _note(delivery.pk, now.timestamp(), n_processed)
    per_second = _recent(samples) if samples else None
    if per_second is None:
        per_second = _average(delivery, now, n_processed)
    if not per_second:
        return Pace()
    return Pace(round(per_second * 60), round(n_left / per_second))


def _note(delivery_id: int, at: float, n_processed: int) -> list[tuple[float, int]]:
    """The samples of the last minute, this one included. Two that note at once lose one sample, which is nothing."""
    key = f"delivery-pace:{delivery_id}"
    try:
        samples: list[tuple[float, int]] = [
            s for s in cache.get(key, []) if at - s[0] <= _SPAN_S and s[1] <= n_processed
        ]
        if not samples or at - samples[-1][0] >= _EVERY_S:
            samples.append((at, n_processed))
            cache.set(key, samples, timeout=_SPAN_S * 2)
    except RedisError:
        logger.warning("The cache does not answer; rates are averages for now.")
        return []
    return samples


def _recent(samples: list[tuple[float, int]]) -> float | None:
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    return (last - first) / (last_at - first_at) if last_at - first_at >= _LEAST_S else None


def _average(delivery: Delivery, now: dt.datetime, n_processed: int) -> float | None:
    """Since the start; not for a delivery that was paused in between, for which it would be too low."""
    if delivery.started_at is None or delivery.paused_at is not None:
        return None
    seconds = (now - delivery.started_at).total_seconds()
    return n_processed / seconds if seconds >= _LEAST_S else None
