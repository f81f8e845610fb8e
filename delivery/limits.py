"""How many messages may be authorised now: token buckets per delivery, per transport and per domain, for all workers.

The buckets live in Valkey, in one script each time, so that any number of machines share them. While Valkey is away a
limited delivery waits; one without a limit never asks.
"""

import functools
import time
from collections.abc import Mapping

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


# Seconds for which a refusal is not asked about again.
_REFUSAL_S = 0.2


class Limiter:
    """The limits of one delivery over one transport; messages per minute, None for no limit.

    `domains`: the limit of each domain that has one, with the name of its bucket, which several may share.
    """

    def __init__(
        self,
        *,
        delivery: tuple[int, int | None],
        transport: tuple[int, int | None],
        domains: Mapping[str, tuple[str, int]] | None = None,
    ) -> None:
        self._buckets: list[tuple[str, float]] = []
        for kind, (key, per_minute) in (("delivery", delivery), ("transport", transport)):
            if per_minute:
                self._buckets.append((f"chappe:rate:{kind}:{key}", per_minute / 60))
        self._per_minute = {domain: per_minute for domain, (_label, per_minute) in (domains or {}).items()}
        self._domains = {
            domain: (f"chappe:rate:domain:{transport[0]}:{label}", per_minute / 60)
            for domain, (label, per_minute) in (domains or {}).items()
        }
        self._refused_at: dict[str, float] = {}

    def is_limited(self, domain: str = "") -> bool:
        """Whether messages, those of a limited `domain` with it, must ask first."""
        return bool(self._buckets) or domain in self._domains

    def per_minute(self, domain: str) -> int | None:
        """The limit of a domain; None when it has none."""
        return self._per_minute.get(domain)

    def is_refusing(self, domain: str) -> bool:
        """Whether the last answer for `domain` was no, a moment ago."""
        return time.monotonic() - self._refused_at.get(domain, 0.0) < _REFUSAL_S

    def grant(self, n_wanted: int, domain: str = "") -> int:
        """Up to `n_wanted` messages that may be authorised now; 0 means ask again a little later."""
        buckets = [*self._buckets, self._domains[domain]] if domain in self._domains else self._buckets
        if not buckets or n_wanted <= 0:
            return n_wanted
        if self.is_refusing(domain):
            return 0
        arguments: list[float] = [n_wanted]
        for _key, rate in buckets:
            arguments += [rate, max(1.0, rate * _BURST_S)]
        try:
            granted = int(_script()(keys=[key for key, _rate in buckets], args=arguments))
        except redis.RedisError:
            granted = 0
        if granted == 0:
            self._refused_at[domain] = time.monotonic()
        return granted


@functools.cache
def _script() -> "redis.commands.core.Script":
    client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2)
    return client.register_script(_GRANT)
