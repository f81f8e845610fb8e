"""What slows a running delivery: receiving domains that take fewer messages than we would send.

Kept in Valkey and nowhere else, because it is true for moments only: a hash per delivery, `chappe:slowed:<id>`,
domain → "<per minute>|<epoch>". Who limits a domain notes it again while the limit bites; a note that nobody repeats is
over after FRESH_S. Nothing depends on it, so with Valkey away nothing is slowed.
"""

import functools
import logging
import time

import redis
from django.conf import settings

from delivery.models import Delivery, DeliveryState

logger = logging.getLogger(__name__)
# Seconds a note holds.
FRESH_S = 90


def note(delivery_id: int, domain: str, per_minute: int) -> None:
    """`domain` takes at most `per_minute` messages of this delivery now. One round trip; not for each message."""
    key = _key(delivery_id)
    try:
        with _client().pipeline(transaction=False) as pipe:
            pipe.hset(key, domain, f"{per_minute}|{time.time():.0f}")
            pipe.expire(key, FRESH_S)
            pipe.execute()
    except redis.RedisError:
        logger.info("delivery %s: a slowdown could not be noted", delivery_id)


def current(delivery: Delivery) -> tuple[str, int] | None:
    """The domain that slows a sending delivery most, and how many messages it takes per minute; None when none does."""
    if delivery.state != DeliveryState.SENDING:
        return None
    try:
        notes = _client().hgetall(_key(delivery.pk))
    except redis.RedisError:
        return None
    fresh = []
    for domain, value in notes.items():
        per_minute, _, at = str(value).partition("|")
        if time.time() - float(at or 0) <= FRESH_S:
            fresh.append((str(domain), int(per_minute)))
    return min(fresh, key=lambda one: one[1], default=None)


def _key(delivery_id: int) -> str:
    return f"chappe:slowed:{delivery_id}"


@functools.cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, decode_responses=True, socket_timeout=2, socket_connect_timeout=2)
