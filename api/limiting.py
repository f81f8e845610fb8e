"""How many calls are answered in a time: counted in Valkey for all web processes, by one script each time.

A pool is shared by the endpoints that the reference lets share it, and by all keys, as there. The window is fixed: it
begins with a multiple of its length, so `reset` is the same for everybody. Of a large pool a process takes some calls
at once and counts them itself: never more than the limit are answered, and what a process has left over when the window
ends is lost, at most a thousandth for each. While Valkey is away calls are not counted and none is refused for their
number: a limiter that is down must not lose what could be accepted. What is accepted is kept by PostgreSQL alone.
"""

import functools
import logging
import threading
import time
from dataclasses import dataclass

import redis
from django.conf import settings

from accounts import installation

logger = logging.getLogger(__name__)
# A call waits for Valkey no longer than this, and the next ones not at all for some seconds.
_TIMEOUT_S = 0.5
_AWAY_S = 5.0
# As many of ARGV[3] calls as are left; returns how many, and how many are taken by all processes now.
_TAKE = """
local n = tonumber(redis.call('GET', KEYS[1]) or '0')
local taken = math.min(tonumber(ARGV[3]), tonumber(ARGV[1]) - n)
if taken <= 0 then return {0, n} end
if redis.call('INCRBY', KEYS[1], taken) == taken then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return {taken, n + taken}
"""
# A process takes this part of a pool at once, and no more than so many calls.
_PART, _MOST_AT_ONCE = 1000, 50


@dataclass(frozen=True)
class Pool:
    """`most` calls in `window_s` seconds unless Settings say otherwise."""

    name: str
    most: int
    window_s: int

    @property
    def setting(self) -> str:
        return f"api.limit_{self.name}"


@dataclass(frozen=True)
class Counted:
    """How a pool stands after one call. `reset_at` in seconds since 1970."""

    limit: int
    remaining: int
    reset_at: int
    is_refused: bool = False

    def headers(self) -> dict[str, str]:
        found = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_at),
        }
        return {**found, "Retry-After": str(max(1, self.reset_at - int(time.time())))} if self.is_refused else found


SENDS = Pool("sends", 250_000, 3600)
BROADCASTS = Pool("broadcasts", 250, 60)
OTHERS = Pool("others", 250_000, 3600)
DATA_SERIES = Pool("data_series", 50_000, 60)
DUPLICATE = Pool("duplicate", 100, 60)
SEND_IDS = Pool("send_ids", 100, 86_400)
TRACK = Pool("track", 3_000, 3)
USER_DELETES = Pool("user_deletes", 20_000, 60)
USER_EXPORTS = Pool("user_exports", 250, 60)
SUBSCRIPTIONS = Pool("subscriptions", 5_000, 60)
POOLS = (
    SENDS, BROADCASTS, OTHERS, DATA_SERIES, DUPLICATE, SEND_IDS, TRACK, USER_DELETES, USER_EXPORTS, SUBSCRIPTIONS,
)  # fmt: skip


def count(pool: Pool) -> Counted | None:
    """Count one call; None while Valkey is away, and then the call is answered. Asks Settings once a second."""
    if time.monotonic() < _away.until:
        return None
    limit = int(installation.recent((pool.setting,))[pool.setting])
    begun = int(time.time()) // pool.window_s * pool.window_s
    at_once = max(1, min(_MOST_AT_ONCE, limit // _PART))
    with _lock:
        if time.monotonic() < _away.until:
            # Others wait behind the one that finds it out: they wait for that, and not each as long again.
            return None
        share = _shares.get(pool.name)
        if share is None or share.left <= 0 or (share.begun, share.limit) != (begun, limit):
            try:
                asked = [limit, pool.window_s + 1, at_once]
                taken, n = _script()(keys=[f"chappe:api:{pool.name}:{begun}"], args=asked)
            except redis.RedisError:
                logger.warning("calls of the API are not counted: Valkey is away")
                _away.until = time.monotonic() + _AWAY_S
                return None
            share = _shares[pool.name] = _Share(begun, limit, int(taken), max(0, limit - int(n)))
        is_refused = share.left <= 0
        share.left -= not is_refused
        return Counted(limit, share.behind + share.left, begun + pool.window_s, is_refused)


def forget() -> None:
    """What this process took and did not use."""
    with _lock:
        _shares.clear()


@dataclass
class _Share:
    """What this process took of a window: `left` to itself, and `behind` it to everybody when it was taken."""

    begun: int
    limit: int
    left: int
    behind: int


_shares: dict[str, _Share] = {}
_lock = threading.Lock()


class _Away:
    """Until when (time.monotonic) this process does not ask again."""

    until = 0.0


_away = _Away()


@functools.cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)


@functools.cache
def _script() -> "redis.commands.core.Script":
    return _client().register_script(_TAKE)
