"""How many messages may be authorised now: a token bucket per delivery and per transport, shared by all workers.

The buckets live in Valkey, in one script each time, so that any number of machines share them. While Valkey is away a
limited delivery waits; one without a limit never asks.
"""

import functools
import time

import redis
from django.conf import settings

# Seconds of sending a bucket holds: the burst after an idle time.
_BURST_S = 2.0
_GRANT = """
local granted = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
    local rate, burst = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local now = redis.call('TIME')
    local at = now[1] + now[2] / 1000000
    local seen = redis.call('HMGET', key, 'level', 'at')
    local level = math.min(burst, (tonumber(seen[1]) or burst) + (at - (tonumber(seen[2]) or at)) * rate)
    redis.call('HSET', key, 'level', tostring(level), 'at', string.format('%.6f', at))
    redis.call('EXPIRE', key, 3600)
    granted = math.min(granted, math.floor(level))
end
for i, key in ipairs(KEYS) do
    if granted > 0 then redis.call('HINCRBYFLOAT', key, 'level', -granted) end
end
return granted
"""


class Limiter:
    """The limits of one delivery over one transport; messages per minute, None for no limit."""

    def __init__(self, *, delivery: tuple[int, int | None], transport: tuple[int, int | None]) -> None:
        self._buckets: list[tuple[str, float]] = []
        for kind, (key, per_minute) in (("delivery", delivery), ("transport", transport)):
            if per_minute:
                self._buckets.append((f"chappe:rate:{kind}:{key}", per_minute / 60))
        self._last_refusal = 0.0

    @property
    def is_limited(self) -> bool:
        return bool(self._buckets)

    def grant(self, n_wanted: int) -> int:
        """Up to `n_wanted` messages that may be authorised now; 0 means ask again a little later."""
        if not self._buckets or n_wanted <= 0:
            return n_wanted
        if time.monotonic() - self._last_refusal < 0.2:
            return 0
        arguments: list[float] = [n_wanted]
        for _key, rate in self._buckets:
            arguments += [rate, max(1.0, rate * _BURST_S)]
        try:
            granted = int(_script()(keys=[key for key, _rate in self._buckets], args=arguments))
        except redis.RedisError:
            granted = 0
        if granted == 0:
            self._last_refusal = time.monotonic()
        return granted


@functools.cache
def _script() -> "redis.commands.core.Script":
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
    return client.register_script(_GRANT)
