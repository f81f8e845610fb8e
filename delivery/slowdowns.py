"""Domains that a running delivery writes to more slowly than it could, noted by its workers for the panel.

Kept in Valkey for a minute after the last note: `chappe:slowed:<delivery id>`, domain → "<per minute>|<epoch>".
Nothing depends on it; while Valkey is away nothing is noted and nothing is known.
"""

import functools
import logging
import time
from dataclasses import dataclass

import redis
from django.conf import settings

from delivery.models import Delivery

logger = logging.getLogger(__name__)
_KEPT_S = 60


@dataclass(frozen=True)
class Slowdown:
    """`domain` gets at most `per_minute` messages a minute at present."""

    domain: str
    per_minute: int


def note(delivery_id: int, domain: str, per_minute: int) -> None:
    """Say that `domain` is being held to `per_minute` just now."""
    key = f"chappe:slowed:{delivery_id}"
    try:
        with _client().pipeline() as pipe:
            pipe.hset(key, domain, f"{per_minute}|{time.time():.0f}")
            pipe.expire(key, _KEPT_S)
            pipe.execute()
    except redis.RedisError:
        logger.warning("a slowdown of %s could not be noted", domain)


def current(delivery: Delivery) -> list[Slowdown]:
    """What was noted in the last minute, by domain."""
    try:
        found = _client().hgetall(f"chappe:slowed:{delivery.pk}")
    except redis.RedisError:
        return []
    slowed = []
    for domain, value in sorted(found.items()):
        per_minute, at = _text(value).split("|")
        if time.time() - float(at) <= _KEPT_S:
            slowed.append(Slowdown(_text(domain), int(per_minute)))
    return slowed


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


@functools.cache
def _client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
